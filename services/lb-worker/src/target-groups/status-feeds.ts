/** The STATUS stream → which clusters can be read, and which rules their nodes have acknowledged. */
import {
  ackSchema,
  parseAckSubject,
  parseSourceStatusSubject,
  type SourceState,
  type SourceStatus,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import type { Logger, StreamReader } from '@signalbox/kit';

export interface StatusFeedOptions {
  readonly logger: Logger;
  readonly onChange: (cluster: string) => void;
  readonly onBadMessage: () => void;
}

export abstract class StatusFeed implements StreamReader {
  readonly stream = 'status';
  abstract readonly filter: string;
  protected readonly options: StatusFeedOptions;
  #isCaughtUp = false;

  constructor(options: StatusFeedOptions) {
    this.options = options;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  beginReplay(): void {
    this.#isCaughtUp = false;
    this.clear();
  }

  apply(batch: LogBatch): void {
    for (const message of batch.messages) {
      try {
        this.read(message);
      } catch (error) {
        this.options.logger.warn({ err: error, subject: message.subject }, 'status skipped');
        this.options.onBadMessage();
      }
    }
    this.#isCaughtUp ||= batch.isCaughtUp;
  }

  protected abstract clear(): void;
  protected abstract read(message: LogMessage): void;
}

/** In these states what the log holds may be old. `reconnecting` and `syncing` pass by themselves, or become one of these. */
const UNREADABLE: ReadonlySet<SourceState> = new Set(['unreachable', 'unauthorized', 'forbidden', 'missing', 'failed']);
/** Registrations are not made of Namespaces. */
const READ_KINDS: ReadonlySet<string> = new Set(['Service', 'EndpointSlice', 'Node']);

export class SourceFeed extends StatusFeed {
  readonly filter = 'status.source.>';
  /** Kinds that cannot be read now, by cluster. */
  readonly #unreadable = new Map<string, Set<string>>();

  isReadable(cluster: string): boolean {
    return !this.#unreadable.has(cluster);
  }

  protected clear(): void {
    this.#unreadable.clear();
  }

  protected read({ subject, data }: LogMessage): void {
    const { cluster, kind } = parseSourceStatusSubject(subject);
    if (!READ_KINDS.has(kind)) return;
    const wasReadable = this.isReadable(cluster);
    const kinds = this.#unreadable.get(cluster) ?? new Set();
    const isUnreadable = data !== null && UNREADABLE.has((JSON.parse(data) as SourceStatus).state);
    if (isUnreadable) kinds.add(kind);
    else kinds.delete(kind);
    if (kinds.size > 0) this.#unreadable.set(cluster, kinds);
    else this.#unreadable.delete(cluster);
    if (this.isReadable(cluster) !== wasReadable) this.options.onChange(cluster);
  }
}

const NO_ACKS: ReadonlyMap<string, number> = new Map();

export class RuleAckFeed extends StatusFeed {
  readonly filter = 'status.ack.proxy.>';
  readonly #acks = new Map<string, Map<string, number>>();

  /** Revision that each node of the cluster has programmed; empty where no node says so. */
  acksOf(cluster: string): ReadonlyMap<string, number> {
    return this.#acks.get(cluster) ?? NO_ACKS;
  }

  protected clear(): void {
    this.#acks.clear();
  }

  protected read({ subject, data }: LogMessage): void {
    const { cluster, consumer } = parseAckSubject(subject);
    const ack = data === null ? undefined : ackSchema.parse(JSON.parse(data));
    const nodes = this.#acks.get(cluster) ?? new Map<string, number>();
    if (ack?.kind === 'node-agent') nodes.set(ack.node, ack.revision);
    else nodes.delete(consumer);
    if (nodes.size > 0) this.#acks.set(cluster, nodes);
    else this.#acks.delete(cluster);
    this.options.onChange(cluster);
  }
}
