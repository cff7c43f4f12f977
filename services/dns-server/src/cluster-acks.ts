/**
 * Tells the log, for each cluster, up to which revision its names are answered from.
 *
 *     unknown ──(record sets, or in a watermark)──► told: revision, or why there is none ──(gone, or stopped)──► tombstone
 *
 * A cluster that is not served keeps the revision that it was served at last, with the reason. Nothing is told while the
 * stream is away or comes again: what was told stays true, and readers see how far behind it is.
 */
import { hostname } from 'node:os';
import { ackSubject, type DnsServerAck, errorText } from '@signalbox/contracts';
import { Acknowledger, type ServiceContext } from '@signalbox/kit';
import type { ListenAddress } from './transport.ts';

/** A cluster as it is served now. */
export interface ServedCluster {
  readonly name: string;
  /** Of the watermark. */
  readonly revision: number;
  /** Why it is not served; empty: it is. */
  readonly error: string;
}

interface ClusterAcksOptions {
  readonly consumer: string;
  /** Between two messages about one cluster. */
  readonly intervalMs: number;
}

export class ClusterAcks {
  readonly #context: ServiceContext;
  readonly #options: ClusterAcksOptions;
  readonly #clusters = new Map<string, ClusterAck>();
  readonly #withdrawals = new Set<Promise<void>>();

  constructor(context: ServiceContext, options: ClusterAcksOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** All clusters that this server knows of, after each change of what is served. */
  note(clusters: readonly ServedCluster[], nowMs: number): void {
    const names = new Set(clusters.map(({ name }) => name));
    for (const cluster of clusters)
      (this.#clusters.get(cluster.name) ?? this.#begin(cluster.name)).note(cluster, nowMs);
    for (const [name, ack] of this.#clusters) if (!names.has(name)) this.#withdraw(name, ack);
  }

  /** A server that is stopped answers from nothing, so its word is taken back. */
  async stop(): Promise<void> {
    for (const [name, ack] of this.#clusters) this.#withdraw(name, ack);
    await Promise.all(this.#withdrawals);
  }

  /** A tombstone on its way comes first, or it would bury the new word. */
  #begin(cluster: string): ClusterAck {
    const ack = new ClusterAck(this.#context, { ...this.#options, cluster }, Promise.all(this.#withdrawals));
    this.#clusters.set(cluster, ack);
    return ack;
  }

  #withdraw(cluster: string, ack: ClusterAck): void {
    this.#clusters.delete(cluster);
    const withdrawal = ack.withdraw().finally(() => this.#withdrawals.delete(withdrawal));
    this.#withdrawals.add(withdrawal);
  }
}

class ClusterAck {
  readonly #context: ServiceContext;
  readonly #acknowledger: Acknowledger;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #ack: DnsServerAck;

  constructor(
    context: ServiceContext,
    { cluster, consumer, intervalMs }: ClusterAcksOptions & { readonly cluster: string },
    ready: Promise<unknown>,
  ) {
    this.#context = context;
    const nothing = { revision: 0, appliedAtMs: null, error: '', skippedServices: 0 };
    this.#ack = { kind: 'dns-server', layer: 'dns', cluster, consumer, ...nothing };
    this.#acknowledger = new Acknowledger({ ...context, intervalMs, currentAck: () => this.#ack });
    this.#running = ready.then(() => this.#acknowledger.run(this.#stopping.signal));
  }

  note({ revision, error }: ServedCluster, nowMs: number): void {
    this.#logNews({ revision, error });
    this.#ack = { ...this.#ack, error, ...(error === '' && { revision, appliedAtMs: nowMs }) };
    this.#acknowledger.note();
  }

  #logNews({ revision, error }: Pick<ServedCluster, 'revision' | 'error'>): void {
    const { cluster, appliedAtMs, error: before } = this.#ack;
    const { logger } = this.#context;
    if (error !== '' && error !== before) logger.warn({ cluster, revision, reason: error }, 'a cluster is not served');
    else if (error === '' && (appliedAtMs === null || before !== ''))
      logger.info({ cluster, revision }, 'a cluster is served');
  }

  /** While the log is away nobody can be told, and stopping does not wait for it. */
  async withdraw(): Promise<void> {
    const { log, logger } = this.#context;
    this.#stopping.abort();
    try {
      await this.#running;
      if (log.state === 'connected') await log.append('status', { subject: ackSubject(this.#ack), data: null });
    } catch (error) {
      const { cluster } = this.#ack;
      logger.warn({ reason: errorText(error), cluster }, 'the acknowledgement could not be taken back');
    }
  }
}

/** Different for servers on one machine; the same after a restart. */
export function consumerName([first]: readonly ListenAddress[]): string {
  return first === undefined ? hostname() : `${hostname()}/${first.address}:${first.port}`;
}
