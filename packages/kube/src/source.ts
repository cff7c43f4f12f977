/** The port between what reads a cluster (an API server, manifest files) and what keeps its objects. */
import type {
  EndpointSliceObject,
  NamespaceObject,
  NodeObject,
  PodObject,
  ServiceObject,
  SourceKind,
  SourceStatus,
} from '@signalbox/contracts';

/** A trimmed object as a source read it. */
export interface SourceObject {
  /** Opaque, compared for equality only; empty for objects that never passed an API server. */
  readonly resourceVersion: string;
  /** When the change happened, epoch milliseconds: EndpointSlice's last-change-trigger-time where set, else when it was read. */
  readonly changedAtMs: number;
  readonly object: ServiceObject | EndpointSliceObject | NodeObject | NamespaceObject | PodObject;
}

/** `namespace` is empty for Node and Namespace. */
export type SourceChange =
  | ({ readonly type: 'upsert' } & SourceObject)
  | { readonly type: 'delete'; readonly kind: SourceKind; readonly namespace: string; readonly name: string };

/**
 * What a source writes into. Each promise is back-pressure: the source reads on when it resolves. A rejection means that
 * nothing of the call may be taken as kept; the source then starts that kind again from a complete list.
 */
export interface SourceSink {
  /** The complete list of one kind: whatever else of this kind the sink holds is gone. */
  replace(kind: SourceKind, objects: readonly SourceObject[]): Promise<void>;
  /** Changes since the last call, in order. The same change may arrive twice. */
  apply(changes: readonly SourceChange[]): Promise<void>;
  /** Called at each change of state or counts, by the source coalesced to at most a few calls per second and kind. */
  report(status: SourceStatus): void;
}

/** One named cluster, read for as long as it runs. */
export interface Source {
  readonly cluster: string;
  /** DNS domain of the cluster, without trailing dot. */
  readonly domain: string;
  readonly type: 'kubernetes' | 'manifests';
  /** Default: those that every source reads. */
  readonly kinds?: readonly SourceKind[];
  /** Returns when the source runs. What goes wrong with the cluster is a status, never a rejection. */
  start(sink: SourceSink): Promise<void>;
  /** Returns when nothing of the source is left: no call into the sink follows. */
  stop(): Promise<void>;
}

/** Where a source writes what people may have to look into; pino's loggers fit. The message is constant, ids are fields. */
export interface SourceLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
