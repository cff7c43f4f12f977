/** Tables of the store as TypeScript sees them; the migrations say the same to SQLite. */
import type { ChangeEvent, ChangeOperation, Layer, ObjectKind, SourceKind, StreamName } from '@signalbox/contracts';
import type { Generated } from 'kysely';

/** `to_revision` of a version that is still valid. */
export const STILL_VALID = Number.MAX_SAFE_INTEGER;

interface Version {
  readonly from_revision: number;
  readonly to_revision: number;
  /** ObjectMessage or DerivedMessage, as received. */
  readonly content_id: number;
}

interface ObjectVersionTable extends Version {
  readonly kind: ObjectKind;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the subject. A slice that moves to another service has two subjects for a moment, told apart by this. */
  readonly partition: string;
  /** At which this content came, where it counts from an earlier one on; else null. */
  readonly content_revision: number | null;
}

interface DocumentVersionTable extends Version {
  readonly layer: Layer;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

export interface RevisionTable {
  readonly revision: number;
  readonly at_ms: number;
  readonly operation: ChangeOperation;
  readonly kind: ObjectKind;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

interface LayerClustersTable {
  readonly id: Generated<number>;
  readonly layer: Layer;
  readonly from_revision: number;
  readonly to_revision: number;
  readonly clusters: string;
}

/** A message of the targets or status stream, as received. */
interface TargetGroupSetTable {
  readonly load_balancer_class: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly sequence: number;
  readonly data: string;
}

export interface Schema {
  readonly contents: { readonly id: Generated<number>; readonly data: string };
  readonly object_versions: ObjectVersionTable;
  readonly document_versions: DocumentVersionTable;
  readonly revisions: RevisionTable;
  readonly watermarks: { readonly layer: Layer; readonly revision: number; readonly skipped_services: number };
  readonly layer_clusters: LayerClustersTable;
  readonly positions: { readonly stream: StreamName; readonly log_id: string; readonly sequence: number };
  readonly settings: { readonly key: 'epoch' | 'horizon' | 'targets-revision'; readonly value: string };
  readonly source_statuses: { readonly cluster: string; readonly kind: SourceKind; readonly data: string };
  readonly node_drift: { readonly cluster: string; readonly node: string; readonly data: string };
  readonly acks: {
    readonly layer: Layer;
    readonly cluster: string;
    readonly consumer: string;
    readonly revision: number;
    readonly error: string;
    readonly data: string;
  };
  readonly target_group_sets: TargetGroupSetTable;
  readonly target_group_reports: TargetGroupSetTable & { readonly port: string };
  readonly target_classes: { readonly load_balancer_class: string; readonly sequence: number };
  readonly controller_leases: {
    readonly load_balancer_class: string;
    readonly sequence: number;
    readonly data: string;
  };
  readonly changes: { readonly id: Generated<number>; readonly event: ChangeEvent; readonly data: string };
}
