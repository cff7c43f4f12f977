/** Short names for what tests do with an event log. */
import type { StreamName } from '@signalbox/contracts';
import type { AppendEntry, EventLog, FollowOptions, LogBatch, LogMessage } from '@signalbox/event-log';

export function entry(name: string, value: unknown = name): AppendEntry {
  return { subject: `objects.${name}`, data: value === null ? null : JSON.stringify(value) };
}

export function tombstone(name: string): AppendEntry {
  return entry(name, null);
}

/** Subject without the stream's token, and value: what most assertions are about. */
export function brief(messages: readonly LogMessage[]): [string, unknown][] {
  return messages.map(({ subject, data }) => [
    subject.replace(/^objects\./, ''),
    data === null ? null : (JSON.parse(data) as unknown),
  ]);
}

/** A condition that holds soon, or an error that says what did not come. */
export async function waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`timed out waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Follows in the background and keeps what came. */
export class Tail {
  readonly batches: LogBatch[] = [];
  readonly values = new Map<string, string>();
  /** Resolves when the iteration ends, with the error that ended it. */
  readonly ended: Promise<unknown>;
  readonly #abort = new AbortController();

  constructor(log: EventLog, options: FollowOptions, stream: StreamName = 'objects') {
    this.ended = this.#follow(log, stream, options).catch((error: unknown) => error);
  }

  get messages(): LogMessage[] {
    return this.batches.flatMap((batch) => batch.messages);
  }

  get isCaughtUp(): boolean {
    return this.batches.at(-1)?.isCaughtUp ?? false;
  }

  get sequence(): number {
    return this.batches.at(-1)?.sequence ?? 0;
  }

  async caughtUp(): Promise<this> {
    await waitFor('the follower to be caught up', () => this.isCaughtUp);
    return this;
  }

  async reached(sequence: number): Promise<this> {
    await waitFor(`the follower to reach ${sequence}`, () => (this.messages.at(-1)?.sequence ?? 0) >= sequence);
    return this;
  }

  stop(): Promise<unknown> {
    this.#abort.abort();
    return this.ended;
  }

  async #follow(log: EventLog, stream: StreamName, options: FollowOptions): Promise<undefined> {
    for await (const batch of log.follow(stream, { ...options, signal: this.#abort.signal })) {
      this.batches.push(batch);
      for (const { subject, data } of batch.messages) {
        if (data === null) this.values.delete(subject);
        else this.values.set(subject, data);
      }
    }
    return undefined;
  }
}

/** What the stream holds, read by a snapshot of its own. */
export async function snapshot(log: EventLog, filter?: string): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  const options: FollowOptions = filter === undefined ? { from: 'snapshot' } : { from: 'snapshot', filter };
  for await (const batch of log.follow('objects', options)) {
    messages.push(...batch.messages);
    if (batch.isCaughtUp) break;
  }
  return messages;
}
