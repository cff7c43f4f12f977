/**
 * Appends to one stream, many in flight, in order.
 *
 * `js.publish` costs a promise, a timer and a mux entry for each message; here messages are published with a reply subject
 * of our own, which one subscription counts. Each acknowledgement is still checked.
 *
 *     queued ──publish──► in flight ──ack──► acknowledged ──all before it acknowledged too──► out of the window
 *                          ▲      │
 *                          └──────┘ reconnect, no progress, overtaken, or no leader: go back to the first one without ack
 *
 * Acknowledgements come in order. So one that is missing while later ones have come was lost, as with a leader that has
 * just stepped down, and nothing else would tell: others may go on being acknowledged for ever.
 *
 * After a loss everything from the first unacknowledged message on is sent again, acknowledged or not: else an older value
 * of a subject could be stored after a newer one. An append with an expected sequence is not sent twice: its first try may
 * have been the one that succeeded.
 */

import {
  errors,
  type Msg,
  type NatsConnection,
  type PermissionViolationError,
  type Subscription,
} from '@nats-io/transport-node';
import { SignalboxError } from '@signalbox/contracts';
import { closedLog } from '../checks.ts';
import type { AppendEntry } from '../event-log.ts';
import { Wakeup } from '../wakeup.ts';
import { codeOfJsError, JS_ERROR, wrapNatsError } from './errors.ts';
import { toNatsHeaders } from './message-headers.ts';
import type { LogSubjects } from './subjects.ts';

const MAX_IN_FLIGHT = 1024;
const MAX_BYTES_IN_FLIGHT = 8 * 1024 * 1024;
const SLIDE_BY = 64;
const TICK_MS = 250;
const RESEND_AFTER_MS = 2000;

interface Job {
  readonly entries: readonly AppendEntry[];
  readonly addedAtMs: number;
  /** Of its first publication, then of its last acknowledgement. */
  movedAtMs: number;
  readonly sequences: number[];
  /** Index of the next entry to publish. */
  next: number;
  acknowledged: number;
  outcome: 'open' | 'stored' | 'failed';
  resolve(sequences: number[]): void;
  reject(error: SignalboxError): void;
}

interface Slot {
  readonly job: Job;
  readonly index: number;
  readonly bytes: number;
  readonly sentAtMs: number;
  isAcknowledged: boolean;
}

interface PublishAck {
  readonly seq?: number;
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

interface AppendWindowOptions {
  readonly connection: NatsConnection;
  readonly subjects: LogSubjects;
  readonly timeoutMs: number;
  readonly newInbox: () => string;
  readonly isConnected: () => boolean;
}

export class AppendWindow {
  readonly #options: AppendWindowOptions;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  /** Not settled, in order of `append`. */
  readonly #jobs = new Set<Job>();
  readonly #settled = new Wakeup();
  /** Of those, the ones with entries that were never sent. */
  #queue: Job[] = [];
  /** Sent, from the first one without ack on. The reply subject of slot i ends in `firstId + i`. */
  #slots: Slot[] = [];
  #firstId = 0;
  #bytesInFlight = 0;
  #lastAckMs = 0;
  /** Of the last acknowledgement, or of sending again. */
  #lastMoveMs = 0;
  #resendAtMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AppendWindowOptions) {
    this.#options = options;
    this.#inbox = `${options.newInbox()}.`;
    this.#subscription = options.connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#onAck(message);
      },
    });
  }

  append(entries: readonly AppendEntry[]): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const progress = { next: 0, acknowledged: 0, outcome: 'open' } as const;
      const job: Job = {
        entries,
        addedAtMs: Date.now(),
        movedAtMs: 0,
        ...progress,
        sequences: [],
        resolve,
        reject,
      };
      this.#jobs.add(job);
      this.#queue.push(job);
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      this.#pump();
    });
  }

  /** What was in flight when the connection broke may be lost. */
  reconnected(): void {
    this.#resend();
  }

  /** The server does not let us publish to a subject: its appends fail, and those behind them go on. */
  refused(error: PermissionViolationError): void {
    for (const slot of this.#slots) {
      const subject = slot.job.entries[slot.index]?.subject ?? '';
      if (slot.isAcknowledged || this.#options.subjects.toNats(subject) !== error.subject) continue;
      slot.isAcknowledged = true;
      this.#lastMoveMs = Date.now();
      this.#reject(slot.job, wrapNatsError(error, `${subject} was not stored`));
    }
    this.#slide();
    this.#pump();
  }

  /** Resolves when every append has its answer, or its time-out. */
  async settled(): Promise<void> {
    while (this.#jobs.size > 0) await this.#settled.wait();
  }

  close(): void {
    for (const job of this.#jobs) this.#reject(job, closedLog());
    this.#stopTimer();
    this.#subscription.unsubscribe();
  }

  #pump(): void {
    while (this.#options.isConnected() && this.#hasRoom()) {
      const [job] = this.#queue;
      if (job === undefined) return;
      if (job.outcome !== 'open' || job.next === job.entries.length) this.#queue.shift();
      else this.#send(job, job.next++);
    }
  }

  #hasRoom(): boolean {
    return this.#slots.length < MAX_IN_FLIGHT && this.#bytesInFlight < MAX_BYTES_IN_FLIGHT;
  }

  #send(job: Job, index: number): void {
    const entry = job.entries[index];
    if (entry === undefined) return;
    const sentAtMs = Date.now();
    if (this.#slots.length === 0) this.#lastMoveMs = sentAtMs;
    if (job.movedAtMs === 0) job.movedAtMs = sentAtMs;
    const reply = `${this.#inbox}${this.#firstId + this.#slots.length}`;
    try {
      this.#publish(entry, reply);
    } catch (error) {
      this.#reject(job, publishError(error, entry));
      return;
    }
    const bytes = entry.data?.length ?? 0;
    this.#slots.push({ job, index, bytes, sentAtMs, isAcknowledged: false });
    this.#bytesInFlight += bytes;
  }

  #publish(entry: AppendEntry, reply: string): void {
    const { connection, subjects } = this.#options;
    const headers = toNatsHeaders(entry);
    connection.publish(subjects.toNats(entry.subject), entry.data ?? '', { reply, ...(headers && { headers }) });
  }

  #onAck(message: Msg): void {
    const slot = this.#slots[Number(message.subject.slice(this.#inbox.length)) - this.#firstId];
    if (slot === undefined || slot.isAcknowledged) return;
    const ack = readAck(message);
    if (ack === undefined) {
      this.#resendAtMs = Math.min(this.#resendAtMs, Date.now() + TICK_MS);
      return;
    }
    this.#lastAckMs = Date.now();
    this.#lastMoveMs = this.#lastAckMs;
    slot.isAcknowledged = true;
    if (ack.seq === undefined || ack.error !== undefined) this.#reject(slot.job, ackError(ack, slot));
    else this.#acknowledge(slot, ack.seq);
    this.#slide();
    this.#pump();
  }

  #acknowledge({ job, index }: Slot, sequence: number): void {
    job.acknowledged += 1;
    job.movedAtMs = this.#lastAckMs;
    if (job.outcome !== 'open') return;
    job.sequences[index] = sequence;
    if (job.acknowledged === job.entries.length) {
      this.#settle(job, 'stored');
      job.resolve(job.sequences);
    }
  }

  #slide(): void {
    const firstOpen = this.#slots.findIndex((slot) => !slot.isAcknowledged);
    const count = firstOpen === -1 ? this.#slots.length : firstOpen;
    // Not one by one: each step moves the rest of the window.
    if (count < SLIDE_BY && count < this.#slots.length) return;
    for (const slot of this.#slots.splice(0, count)) this.#bytesInFlight -= slot.bytes;
    this.#firstId += count;
  }

  #resend(): void {
    this.#resendAtMs = Number.POSITIVE_INFINITY;
    if (!this.#options.isConnected()) return;
    const again = this.#slots;
    this.#firstId += again.length;
    this.#slots = [];
    this.#bytesInFlight = 0;
    this.#lastMoveMs = Date.now();
    for (const { job, index, isAcknowledged } of again) {
      const isSentOnce = job.entries[index]?.expectedSequence !== undefined;
      if (isSentOnce) this.#reject(job, unanswered('its answer was lost'));
      if (isSentOnce || job.outcome === 'failed') continue;
      if (isAcknowledged) job.acknowledged -= 1;
      this.#send(job, index);
    }
    this.#pump();
  }

  #tick(): void {
    const nowMs = Date.now();
    for (const job of this.#jobs) {
      // One that was not sent yet waits for those before it.
      const waitedMs = nowMs - (job.movedAtMs || Math.max(job.addedAtMs, this.#lastAckMs));
      if (waitedMs > this.#options.timeoutMs) this.#reject(job, unanswered(`no answer in ${waitedMs} ms`));
    }
    const isStuck = nowMs - this.#lastMoveMs > RESEND_AFTER_MS || this.#isOvertaken(nowMs);
    if (this.#slots.length > 0 && (isStuck || nowMs >= this.#resendAtMs)) this.#resend();
    if (this.#jobs.size === 0) this.#stopTimer();
  }

  #isOvertaken(nowMs: number): boolean {
    const first = this.#slots.findIndex((slot) => !slot.isAcknowledged);
    const slot = this.#slots[first];
    if (slot === undefined || nowMs - slot.sentAtMs <= RESEND_AFTER_MS) return false;
    return this.#slots.slice(first).some((later) => later.isAcknowledged);
  }

  #reject(job: Job, error: SignalboxError): void {
    if (job.outcome !== 'open') return;
    this.#settle(job, 'failed');
    job.reject(error);
  }

  #settle(job: Job, outcome: 'stored' | 'failed'): void {
    job.outcome = outcome;
    this.#jobs.delete(job);
    this.#settled.notify();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Undefined when no stream took it yet: the server is starting, or elects a leader. */
function readAck(message: Msg): PublishAck | undefined {
  if (message.headers?.code === 503) return undefined;
  const ack = message.json<PublishAck>();
  return ack.error?.err_code === JS_ERROR.notAvailable ? undefined : ack;
}

function ackError({ error }: PublishAck, { job, index }: Slot): SignalboxError {
  const code = codeOfJsError(error?.err_code ?? 0, error?.code ?? 0);
  const reason = error?.description ?? 'the server answered without a sequence';
  return new SignalboxError(code, `${job.entries[index]?.subject} was not stored: ${reason}`);
}

/** The client itself refuses what is larger than the server's max_payload. */
function publishError(error: unknown, { subject, data }: AppendEntry): SignalboxError {
  if (!(error instanceof errors.InvalidArgumentError)) return wrapNatsError(error, `cannot append ${subject}`);
  const bytes = Buffer.byteLength(data ?? '');
  return new SignalboxError('limit', `${subject} has ${bytes} bytes, more than the server takes`, { cause: error });
}

function unanswered(reason: string): SignalboxError {
  return new SignalboxError('unavailable', `append may or may not have been stored: ${reason}`);
}
