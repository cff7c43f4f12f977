/**
 * Writes back to clusters what was decided: the addresses of load balancers into the status of Services, and the
 * readiness gates of Pods that their load balancer finds healthy. Off for every cluster that is not named.
 */
import {
  type ObjectMessage,
  parseObjectSubject,
  parseTargetGroupReportSubject,
  parseTargetsSubject,
  type TargetGroupReport,
  type TargetGroupSet,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import {
  Counter,
  failureSignal,
  followStream,
  Gauge,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
  type StreamReader,
} from '@signalbox/kit';
import type { StatusClient } from '@signalbox/kube';
import { ClusterWriter } from './cluster-writer.ts';
import { GateBook } from './gate-book.ts';
import { IngressBook } from './ingress-book.ts';
import type { Write } from './write.ts';

export { type ClusterAccessFlags, clusterAccessOptions, openStatusClients } from './cluster-access.ts';
export { GATE_PREFIX } from './gate-book.ts';

export interface StatusWriterOptions {
  /** By name of the cluster, as the watcher calls it. */
  readonly clusters: ReadonlyMap<string, StatusClient>;
  /** How long what an API server refused waits before it is tried again. Default a minute. */
  readonly parkedMs?: number;
}

export function startStatusWriter(context: ServiceContext, options: StatusWriterOptions): RunningService {
  return new StatusWriter(context, options);
}

class StatusWriter implements RunningService {
  readonly name = 'status-writer';
  readonly failure: Promise<never>;
  readonly #context: ServiceContext;
  readonly #writers: ReadonlyMap<string, ClusterWriter>;
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>;
  readonly #caughtUp = new Set<StreamReader>();
  #ingress = new IngressBook();
  #gates = new GateBook();

  constructor(context: ServiceContext, { clusters, parkedMs }: StatusWriterOptions) {
    this.#context = context;
    const logger = context.logger.child({ component: this.name });
    const outcomes = new Counter({
      name: 'signalbox_status_writes_total',
      help: 'Writes to the status of Services and Pods',
      labelNames: ['cluster', 'type', 'outcome'] as const,
      registers: [context.registry],
    });
    this.#writers = new Map(
      [...clusters].map(([cluster, client]) => {
        const settings = { cluster, client, logger, outcomes, ...(parkedMs !== undefined && { parkedMs }) };
        return [cluster, new ClusterWriter(settings)];
      }),
    );
    this.#addGauge();
    const { failure, fail } = failureSignal();
    this.failure = failure;
    const readers = [this.#objectsReader(), this.#targetsReader(), this.#reportsReader()];
    const { signal } = this.#stopping;
    this.#loops = Promise.all(readers.map((reader) => followStream(context, reader, signal))).then(() => {}, fail);
  }

  readiness(): Readiness {
    if (this.#caughtUp.size < 3) return { isReady: false, reason: `${this.name}: reading the event log` };
    for (const [cluster, { trouble }] of this.#writers) {
      if (trouble !== '') return { isReady: false, reason: `${this.name}: cannot write to ${cluster}: ${trouble}` };
    }
    return READY;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await Promise.all([...this.#writers.values()].map((writer) => writer.stop()));
  }

  #objectsReader(): StreamReader {
    const begin = () => {
      this.#ingress = new IngressBook();
    };
    return this.#reader({ stream: 'objects' }, begin, ({ subject, data }) => {
      const key = parseObjectSubject(subject);
      if (key.kind !== 'Service' && key.kind !== 'LoadBalancerAddress') return;
      this.#ingress.apply(key, data === null ? undefined : (JSON.parse(data) as ObjectMessage).object);
    });
  }

  #targetsReader(): StreamReader {
    // What is gone after a replay must not leave gates behind; reports come again with their own.
    const begin = () => this.#gates.clearSets();
    return this.#reader({ stream: 'targets', filter: 'targets.group.>' }, begin, ({ subject, data }) => {
      const key = parseTargetsSubject(subject);
      if (key === undefined) return;
      this.#gates.applySet(key, data === null ? undefined : (JSON.parse(data) as TargetGroupSet));
    });
  }

  #reportsReader(): StreamReader {
    return this.#reader(
      { stream: 'status', filter: 'status.group.>' },
      () => {},
      ({ subject, data }) => {
        const report = data === null ? undefined : (JSON.parse(data) as TargetGroupReport);
        this.#gates.applyReport(parseTargetGroupReportSubject(subject), report);
      },
    );
  }

  #reader(
    place: Pick<StreamReader, 'stream' | 'filter'>,
    begin: () => void,
    read: (message: LogMessage) => void,
  ): StreamReader {
    const reader: StreamReader = {
      ...place,
      beginReplay: begin,
      apply: (batch: LogBatch) => {
        for (const message of batch.messages) this.#read(message, read);
        if (!batch.isCaughtUp) return;
        this.#caughtUp.add(reader);
        this.#write();
      },
    };
    return reader;
  }

  #read(message: LogMessage, read: (message: LogMessage) => void): void {
    try {
      read(message);
    } catch (err) {
      this.#context.logger.warn({ err, subject: message.subject }, 'message left out');
    }
  }

  /** Only on the whole picture: half of a log would take back addresses. */
  #write(): void {
    if (this.#caughtUp.size < 3) return;
    const writes: { cluster: string; write: Write }[] = [...this.#ingress.takeWrites(), ...this.#gates.takeWrites()];
    for (const { cluster, write } of writes) this.#writers.get(cluster)?.put(write);
  }

  #addGauge(): void {
    const writers = this.#writers;
    const waiting: Gauge<'cluster'> = new Gauge({
      name: 'signalbox_status_writes_waiting',
      help: 'Statuses that are not as they should be',
      labelNames: ['cluster'] as const,
      registers: [this.#context.registry],
      collect: () => {
        for (const [cluster, writer] of writers) waiting.set({ cluster }, writer.waiting);
      },
    });
  }
}
