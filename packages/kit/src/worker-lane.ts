/**
 * One worker inside the runtime: which of the changed services concern it, what they derive to, what to publish.
 * Knows nothing of the log; the runtime appends what a lane plans.
 */
import {
  type Derivation,
  errorText,
  type ServiceKey,
  serviceKeyText,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import type { AppendEntry } from '@signalbox/event-log';
import type { ChangeMark } from './change-mark.ts';
import type { DirtySet } from './dirty-set.ts';
import { LayerOutputs } from './layer-outputs.ts';
import type { Logger } from './logger.ts';
import type { ServiceContext } from './service.ts';
import type { ServiceIndex } from './service-index.ts';
import { PASSIVE_TRACER, type Tracer } from './tracer.ts';
import { readsNodes, type WorkerDefinition } from './worker.ts';
import { startCounting, type WorkerMetrics, workerMetrics } from './worker-metrics.ts';

const NOTHING: Derivation<unknown> = { document: undefined, skipped: [] };

export class WorkerLane {
  readonly worker: WorkerDefinition;
  readonly outputs: LayerOutputs;
  readonly #index: ServiceIndex;
  readonly #logger: Logger;
  readonly #metrics: WorkerMetrics;
  readonly #tracer: Tracer;
  readonly #withNodes: boolean;
  #lastWatermark = '';

  constructor(worker: WorkerDefinition, index: ServiceIndex, { logger, tracer, registry }: ServiceContext) {
    this.worker = worker;
    this.#tracer = tracer ?? PASSIVE_TRACER;
    this.outputs = new LayerOutputs(worker.layer);
    this.#index = index;
    this.#logger = logger.child({ component: worker.name });
    this.#metrics = workerMetrics(registry);
    startCounting(this.#metrics, worker.name);
    this.#withNodes = readsNodes(worker);
  }

  restoreWatermark(text: string): void {
    this.#lastWatermark = text;
  }

  /** The services this worker has to derive again because of these changes. */
  affected(dirty: DirtySet): Map<string, ServiceKey> {
    const keys = new Map(dirty.services);
    if (this.worker.deriveIntent !== undefined) for (const [text, key] of dirty.intents) keys.set(text, key);
    const addAll = (cluster: string, isWanted: (key: ServiceKey) => boolean): void => {
      for (const key of this.#index.servicesOf(cluster)) if (isWanted(key)) keys.set(serviceKeyText(key), key);
    };
    for (const cluster of dirty.clusters) addAll(cluster, () => true);
    if (dirty.clusters.size > 0) this.#addPublishedOf(dirty.clusters, keys);
    if (!this.#withNodes) return keys;
    for (const cluster of dirty.nodes) addAll(cluster, (key) => this.#usesNodes(key));
    return keys;
  }

  /** Everything this worker knows of: all services, and all it has published (orphans among them). */
  everything(): Map<string, ServiceKey> {
    const keys = new Map<string, ServiceKey>();
    for (const cluster of this.#index.clusterNames()) {
      for (const key of this.#index.servicesOf(cluster)) keys.set(serviceKeyText(key), key);
    }
    if (this.worker.deriveIntent !== undefined) {
      for (const key of this.#index.intentKeys()) keys.set(serviceKeyText(key), key);
    }
    for (const key of this.outputs.publishedKeys()) keys.set(serviceKeyText(key), key);
    return keys;
  }

  /** Derives one service; undefined when nothing has to be published. */
  derive(key: ServiceKey): AppendEntry | undefined {
    // A cluster that is known but not (or no longer) synced is unknown, not empty: what was published stays.
    if (this.#index.hasCluster(key.cluster) && !this.#index.isSynced(key.cluster, this.worker.reads)) return undefined;
    const options = { withNodes: this.#withNodes };
    const derive = this.#derivationOf(key);
    const mark = this.#index.mark(key, options);
    const change = { mark, latestRevision: this.#index.revision };
    const startMs = Date.now();
    if (derive === undefined) return this.#planned(this.outputs.plan(key, undefined, change), mark, startMs);
    this.#metrics.derived.inc({ worker: this.worker.name });
    let derivation: Derivation<unknown>;
    try {
      derivation = derive();
    } catch (err) {
      this.#metrics.failed.inc({ worker: this.worker.name });
      this.#logger.error(
        { err, service: serviceKeyText(key), reason: errorText(err) },
        'derivation failed, service left as it was',
      );
      this.outputs.noteFailure(key);
      return undefined;
    }
    const entry = this.#planned(this.outputs.plan(key, derivation, change), mark, startMs);
    if (entry !== undefined) this.#observeDelay(mark.changedAtMs);
    return entry;
  }

  /** Undefined when there is no such Service or intent (any more). */
  #derivationOf(key: ServiceKey): (() => Derivation<unknown>) | undefined {
    const { worker } = this;
    const intent = this.#index.intent(key);
    if (intent !== undefined) return () => worker.deriveIntent?.(intent.object, intent.zones) ?? NOTHING;
    const view = this.#index.view(key, { withNodes: this.#withNodes });
    return view && (() => worker.derive(view));
  }

  /** The watermark message for this revision; undefined when the log holds it already. */
  watermark(revision: number): AppendEntry | undefined {
    const data = JSON.stringify(this.state(revision));
    if (data === this.#lastWatermark) return undefined;
    this.#lastWatermark = data;
    return { subject: watermarkSubject(this.worker.layer), data };
  }

  /** What a watermark at this revision says. */
  state(revision: number): Watermark {
    const clusters = this.#index.syncedClusters(this.worker.reads).map(({ name, domain }) => [name, { domain }]);
    const watermark: Watermark = {
      layer: this.worker.layer,
      revision,
      clusters: Object.fromEntries(clusters),
      skippedServices: this.outputs.skippedServices,
    };
    this.#metrics.revision.set({ worker: this.worker.name }, revision);
    this.#metrics.skipped.set({ worker: this.worker.name }, this.outputs.skippedServices);
    return watermark;
  }

  #usesNodes(key: ServiceKey): boolean {
    const service = this.#index.serviceObject(key);
    return service !== undefined && (this.worker.usesNodes?.(service) ?? true);
  }

  #addPublishedOf(clusters: ReadonlySet<string>, keys: Map<string, ServiceKey>): void {
    for (const key of this.outputs.publishedKeys()) {
      if (clusters.has(key.cluster)) keys.set(serviceKeyText(key), key);
    }
  }

  #planned(entry: AppendEntry | undefined, mark: ChangeMark, startMs: number): AppendEntry | undefined {
    if (entry === undefined) return undefined;
    this.#metrics.published.inc({ worker: this.worker.name });
    const attributes = { 'signalbox.revision': mark.revision, 'signalbox.subject': entry.subject };
    const name = `derive ${this.worker.layer}`;
    const traceparent = this.#tracer.span(mark.traceparent, { name, startMs, endMs: Date.now(), attributes });
    return traceparent === undefined ? entry : { ...entry, headers: { traceparent } };
  }

  #observeDelay(changedAtMs: number): void {
    const delayMs = Math.max(0, Date.now() - changedAtMs);
    this.#metrics.delay.observe({ worker: this.worker.name }, delayMs / 1000);
  }
}
