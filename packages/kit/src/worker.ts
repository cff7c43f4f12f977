/**
 * A worker is a name and a pure `derive`. Everything else (consuming, joining, coalescing, publishing, watermarks, replay,
 * orphans) is the runtime's, once, in worker-runtime.ts.
 */
import type {
  Derivation,
  DnsZoneObject,
  IntentObject,
  Layer,
  LayerDocuments,
  ServiceObject,
  ServiceView,
  SourceKind,
} from '@signalbox/contracts';

export interface WorkerDefinition<L extends Layer = Layer> {
  /** Also the log component and the metric label. */
  readonly name: string;
  /** The layer whose documents it owns. */
  readonly layer: L;
  /** Kinds that a cluster must have synced before anything is derived for it. Views hold nodes only if `Node` is one. */
  readonly reads: readonly SourceKind[];
  /**
   * For a worker that reads Nodes: whether this Service's document depends on them. A change of a node derives only
   * these again. Absent: all.
   */
  readonly usesNodes?: (service: ServiceObject) => boolean;
  /** Pure: equal views give equal documents. What it cannot use of an object it names in `skipped`. */
  readonly derive: (view: ServiceView) => Derivation<LayerDocuments[L]>;
  /** Pure as well; absent: intents have no documents in this layer. */
  readonly deriveIntent?: (intent: IntentObject, zones: readonly DnsZoneObject[]) => Derivation<LayerDocuments[L]>;
}

export function defineWorker<L extends Layer>(definition: WorkerDefinition<L>): WorkerDefinition<L> {
  return definition;
}

/** Whether views of this worker hold the cluster's nodes. */
export function readsNodes(worker: WorkerDefinition): boolean {
  return worker.reads.includes('Node');
}
