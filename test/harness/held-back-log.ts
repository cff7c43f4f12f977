import type { StreamName } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';

/** What is appended while it is held back arrives when it is let go, like packets of a process that was paused. */
export class HeldBackLog {
  readonly log: EventLog;
  #held: (() => void)[] | undefined;
  readonly #heldIn = new Map<StreamName, number>();

  constructor(log: EventLog) {
    const held: Pick<EventLog, 'append' | 'appendAll'> = {
      append: (stream, entry) => this.#through({ stream, count: 1 }, () => log.append(stream, entry)),
      appendAll: (stream, entries) =>
        this.#through({ stream, count: entries.length }, () => log.appendAll(stream, entries)),
    };
    this.log = new Proxy(log, {
      get: (target, name) => {
        if (name === 'append' || name === 'appendAll') return held[name];
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** How many entries have been held back so far. */
  heldIn(stream: StreamName): number {
    return this.#heldIn.get(stream) ?? 0;
  }

  hold(): void {
    this.#held = [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const arrive of held) arrive();
  }

  #through<Result>(
    { stream, count }: { stream: StreamName; count: number },
    append: () => Promise<Result>,
  ): Promise<Result> {
    if (this.#held === undefined) return append();
    this.#heldIn.set(stream, this.heldIn(stream) + count);
    return new Promise((resolve) => this.#held?.push(() => resolve(append())));
  }
}
