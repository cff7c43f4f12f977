/**
 * The event log on a NATS server with JetStream.
 *
 *     connected ──connection lost──► disconnected ──reconnected──► connected        close(), from both ──► closed
 *
 * While disconnected, appends wait (up to their time-out), followers and consumers pause; all go on after the reconnect.
 */

import { jetstreamManager } from '@nats-io/jetstream';
import { createInbox, errors } from '@nats-io/transport-node';
import { SignalboxError, type StreamName } from '@signalbox/contracts';
import { checkDurable, checkEntry, checkFilter, closedLog } from '../checks.ts';
import type {
  AppendEntry,
  ConsumeOptions,
  Delivery,
  EventLog,
  FollowOptions,
  LogBatch,
  LogMessage,
  LogState,
  StreamInfo,
} from '../event-log.ts';
import { AppendWindow } from './append-window.ts';
import { compactStream } from './compaction.ts';
import { type LogContext, readCompactionMark, watchCompactions } from './context.ts';
import { DurableConsumer } from './durable-consumer.ts';
import { wrapNatsError } from './errors.ts';
import { Follower, type FollowerOptions } from './follower.ts';
import { agreeOnIdentity } from './identity.ts';
import { inboxPrefixOf } from './inbox.ts';
import { fromNatsHeaders } from './message-headers.ts';
import type { NatsLogin, NatsTls } from './nats-settings.ts';
import { openConnection } from './open-connection.ts';
import { cautionOf, checkVersion } from './server-version.ts';
import { openStreams, type StreamWishes } from './streams.ts';
import { LogSubjects } from './subjects.ts';

export interface JetStreamEventLogOptions extends StreamWishes {
  /** `host:port`, `nats://host:port` or `tls://host:port`; several of one cluster for fail-over. */
  readonly servers: string | readonly string[];
  /** Of the connection, as the server's monitoring shows it; its inboxes begin with `_INBOX_<name>`. */
  readonly name: string;
  /** Begins the names of all streams and subjects. Default `signalbox`. */
  readonly prefix?: string;
  /** Makes and changes streams; else they have to be there. Default true. */
  readonly managesStreams?: boolean;
  readonly login?: NatsLogin;
  readonly tls?: NatsTls;
  /** An append without an answer for this long is `unavailable`. Default 10 s. */
  readonly appendTimeoutMs?: number;
  /** A follower to which nothing came for this long asks whether that is right: one small request. Default 30 s. */
  readonly selfCheckMs?: number;
}

const REQUEST_TIMEOUT_MS = 5000;
const DEFAULT_SELF_CHECK_MS = 30_000;

/** Throws `unavailable` when no server answers, `invalid` when its streams cannot be made as wanted. */
export async function openJetStreamEventLog(options: JetStreamEventLogOptions): Promise<JetStreamEventLog> {
  const subjects = new LogSubjects(options.prefix ?? 'signalbox');
  const connection = await openConnection(options);
  try {
    if (connection.info !== undefined) checkVersion(connection.info);
    const manager = await jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
    const isManager = options.managesStreams ?? true;
    const found = await openStreams(manager, subjects, { wishes: options, isManager });
    const { logId, created } = await agreeOnIdentity({ connection, manager, subjects }, found, isManager);
    const newInbox = () => createInbox(inboxPrefixOf(options.name));
    const { selfCheckMs = DEFAULT_SELF_CHECK_MS } = options;
    const parts = { connection, manager, subjects, created, newInbox, selfCheckMs };
    const log = new JetStreamEventLog(logId, parts, options.appendTimeoutMs ?? 10_000);
    await watchCompactions(parts, (stream, to) => log.compacted(stream, to));
    return log;
  } catch (error) {
    await connection.close();
    throw wrapNatsError(error, `cannot open the event log at ${connection.getServer()}`);
  }
}

export class JetStreamEventLog implements EventLog {
  readonly id: string;
  readonly #context: LogContext;
  readonly #windows: Readonly<Record<StreamName, AppendWindow>>;
  readonly #readers = new Set<Follower | DurableConsumer>();
  readonly #listeners = new Set<(state: LogState) => void>();
  readonly #closing = new AbortController();
  #state: LogState = 'connected';
  #isConnected = true;
  #lostConsumers = 0;
  #closed: Promise<void> | undefined;

  constructor(id: string, parts: Omit<LogContext, 'isConnected' | 'onConsumerLost'>, appendTimeoutMs: number) {
    this.id = id;
    const isConnected = () => this.#isConnected;
    const onConsumerLost = () => {
      this.#lostConsumers += 1;
    };
    this.#context = { ...parts, isConnected, onConsumerLost };
    const openWindow = () => new AppendWindow({ ...this.#context, timeoutMs: appendTimeoutMs });
    this.#windows = {
      objects: openWindow(),
      derived: openWindow(),
      targets: openWindow(),
      status: openWindow(),
      leases: openWindow(),
    };
    void this.#watchConnection();
  }

  get state(): LogState {
    return this.#state;
  }

  /** What people should know of the server that is connected to; undefined when nothing. */
  get caution(): string | undefined {
    const { info } = this.#context.connection;
    return info && cautionOf(info);
  }

  get lostConsumers(): number {
    return this.#lostConsumers;
  }

  async append(stream: StreamName, entry: AppendEntry): Promise<number> {
    const [sequence] = await this.#append(stream, [entry]);
    return sequence ?? 0;
  }

  async appendAll(stream: StreamName, entries: readonly AppendEntry[]): Promise<number[]> {
    return entries.length === 0 ? [] : await this.#append(stream, entries);
  }

  async last(stream: StreamName, subject: string): Promise<LogMessage | undefined> {
    const { manager, subjects } = this.#context;
    const query = { last_by_subj: subjects.toNats(subject) };
    const found = await this.#request(`cannot read ${subject}`, () =>
      manager.streams.getMessage(subjects.stream(stream), query),
    );
    if (found === null) return undefined;
    const data = found.data.length === 0 ? null : found.string();
    return { subject, sequence: found.seq, storedAtMs: found.time.getTime(), data, ...fromNatsHeaders(found.header) };
  }

  follow(stream: StreamName, options: FollowOptions): AsyncIterable<LogBatch> {
    checkFilter(options.filter);
    return this.#follow(stream, options);
  }

  consume(stream: StreamName, options: ConsumeOptions): AsyncIterable<Delivery> {
    checkFilter(options.filter);
    checkDurable(options.durable);
    return this.#consume(stream, options);
  }

  async compact(stream: StreamName, { storedBeforeMs }: { storedBeforeMs: number }): Promise<number> {
    return this.#request(`cannot compact the ${stream} stream`, () =>
      compactStream(
        this.#context,
        stream,
        storedBeforeMs,
        this.#follow(stream, { from: 'snapshot', isHeadersOnly: true }),
      ),
    );
  }

  async info(stream: StreamName): Promise<StreamInfo> {
    const { manager, subjects } = this.#context;
    return this.#request(`cannot ask for the ${stream} stream`, async () => {
      const { state } = await manager.streams.info(subjects.stream(stream));
      const { compactedTo } = await readCompactionMark(this.#context, stream);
      return { lastSequence: state.last_seq, messages: state.messages, bytes: state.bytes, compactedTo };
    });
  }

  onStateChange(listener: (state: LogState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called when the tombstones of a stream, up to a sequence, are about to go. */
  compacted(stream: string, compactedTo: number): void {
    for (const reader of this.#readers) {
      if (reader instanceof Follower && reader.stream === stream) reader.compacted(compactedTo);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#setState('closed');
    this.#closing.abort();
    const windows = Object.values(this.#windows);
    await Promise.all(windows.map((window) => window.settled()));
    const { connection } = this.#context;
    // Without a server there is nobody to tell: what readers still ask of it fails at once.
    if (!this.#isConnected) await connection.close();
    await Promise.all([...this.#readers].map(({ reader }) => reader.close()));
    for (const window of windows) window.close();
    if (this.#isConnected) await connection.drain().catch(() => {});
    await connection.close();
    this.#listeners.clear();
  }

  async *#follow(stream: StreamName, options: FollowerOptions): AsyncGenerator<LogBatch> {
    if (this.#state === 'closed') throw closedLog();
    const follower = new Follower(this.#context, stream, options);
    this.#readers.add(follower);
    try {
      yield* follower.batches(this.#untilClosed(options.signal));
    } finally {
      this.#readers.delete(follower);
    }
  }

  async *#consume(stream: StreamName, options: ConsumeOptions): AsyncGenerator<Delivery> {
    if (this.#state === 'closed') throw closedLog();
    const consumer = new DurableConsumer(this.#context, stream, options);
    this.#readers.add(consumer);
    try {
      yield* consumer.deliveries(this.#untilClosed(options.signal));
    } finally {
      this.#readers.delete(consumer);
    }
  }

  async #append(stream: StreamName, entries: readonly AppendEntry[]): Promise<number[]> {
    if (this.#state === 'closed') throw closedLog();
    for (const entry of entries) checkEntry(stream, entry);
    return this.#windows[stream].append(entries);
  }

  async #request<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#state === 'closed') throw closedLog();
    if (!this.#isConnected) throw new SignalboxError('unavailable', `${what}: the NATS server is away`);
    try {
      return await work();
    } catch (error) {
      throw wrapNatsError(error, what);
    }
  }

  async #watchConnection(): Promise<void> {
    for await (const status of this.#context.connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close') this.#disconnected();
      else if (status.type === 'reconnect') this.#reconnected();
      else if (status.type === 'error') this.#refused(status.error);
    }
  }

  #disconnected(): void {
    this.#isConnected = false;
    for (const { reader } of this.#readers) reader.disconnected();
    this.#setState('disconnected');
  }

  #reconnected(): void {
    this.#isConnected = true;
    for (const window of Object.values(this.#windows)) window.reconnected();
    for (const { reader } of this.#readers) reader.connected();
    this.#setState('connected');
  }

  /** The server tells what may not be published on its own, not as the answer to the append. */
  #refused(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError) || error.operation !== 'publish') return;
    for (const window of Object.values(this.#windows)) window.refused(error);
  }

  #setState(state: LogState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }
}
