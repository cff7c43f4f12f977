/** What load balancers are asked to do, and what they say of it. Of now, at any revision. */
import type {
  ControllerLease,
  ServiceKey,
  TargetGroupKey,
  TargetGroupReport,
  TargetGroupSet,
  TargetGroupSetKey,
} from '@signalbox/contracts';
import { compiledQuery } from '../compiled-query.ts';
import type { Store } from '../store.ts';

export interface StoredTargetGroupSet {
  readonly loadBalancerClass: string;
  /** Sequence in the targets stream. */
  readonly index: number;
  readonly set: TargetGroupSet;
}

export interface TargetGroupFilter {
  readonly loadBalancerClass?: string | undefined;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/** All of them, by class, cluster, namespace and name: of one state, because a load balancer needs the whole. */
export function listTargetGroupSets(store: Store, filter: TargetGroupFilter): StoredTargetGroupSet[] {
  const { loadBalancerClass, cluster, namespace, name } = filter;
  const rows = store.all(
    store.builder
      .selectFrom('target_group_sets')
      .select(['load_balancer_class', 'sequence', 'data'])
      .$if(loadBalancerClass !== undefined, (query) => query.where('load_balancer_class', '=', loadBalancerClass ?? ''))
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .$if(namespace !== undefined, (query) => query.where('namespace', '=', namespace ?? ''))
      .$if(name !== undefined, (query) => query.where('name', '=', name ?? ''))
      .orderBy('load_balancer_class')
      .orderBy('cluster')
      .orderBy('namespace')
      .orderBy('name'),
  );
  return rows.map(parseSet);
}

/** Which Services have target groups in a class, and the index of each; in the order of `listTargetGroupSets`. */
export function listTargetGroupSetKeys(store: Store, loadBalancerClass: string): (ServiceKey & { index: number })[] {
  return store.all(
    store.builder
      .selectFrom('target_group_sets')
      .select(['cluster', 'namespace', 'name', 'sequence as index'])
      .where('load_balancer_class', '=', loadBalancerClass)
      .orderBy('cluster')
      .orderBy('namespace')
      .orderBy('name'),
  );
}

const setByKey = compiledQuery((builder, loadBalancerClass: string, cluster: string, namespace: string, name: string) =>
  builder
    .selectFrom('target_group_sets')
    .select(['load_balancer_class', 'sequence', 'data'])
    .where('load_balancer_class', '=', loadBalancerClass)
    .where('cluster', '=', cluster)
    .where('namespace', '=', namespace)
    .where('name', '=', name),
);

export function targetGroupSet(store: Store, key: TargetGroupSetKey): StoredTargetGroupSet | undefined {
  const row = setByKey(store, key.loadBalancerClass, key.cluster, key.namespace, key.name);
  return row && parseSet(row);
}

function parseSet(row: { load_balancer_class: string; sequence: number; data: string }): StoredTargetGroupSet {
  const { load_balancer_class: loadBalancerClass, sequence: index, data } = row;
  return { loadBalancerClass, index, set: JSON.parse(data) as TargetGroupSet };
}

/** Each class that has, or had, target groups or a lease, with the sequence of its last change. */
export function loadBalancerClasses(store: Store): { loadBalancerClass: string; index: number }[] {
  const { builder } = store;
  const changed = store.all(builder.selectFrom('target_classes').selectAll());
  const leased = store.all(builder.selectFrom('controller_leases').select('load_balancer_class'));
  const indexes = new Map(leased.map((row) => [row.load_balancer_class, 0]));
  for (const row of changed) indexes.set(row.load_balancer_class, row.sequence);
  return [...indexes]
    .map(([loadBalancerClass, index]) => ({ loadBalancerClass, index }))
    .sort((a, b) => (a.loadBalancerClass < b.loadBalancerClass ? -1 : 1));
}

const classIndexOf = compiledQuery((builder, loadBalancerClass: string) =>
  builder.selectFrom('target_classes').select('sequence').where('load_balancer_class', '=', loadBalancerClass),
);
const newestIndex = compiledQuery((builder) =>
  builder.selectFrom('target_classes').select('sequence').orderBy('sequence', 'desc').limit(1),
);

/** Sequence of the last change of a class, or of any; 0 when there was none. */
export function targetsIndex(store: Store, loadBalancerClass?: string): number {
  const row = loadBalancerClass === undefined ? newestIndex(store) : classIndexOf(store, loadBalancerClass);
  return row?.sequence ?? 0;
}

const reportByKey = compiledQuery(
  (builder, loadBalancerClass: string, cluster: string, namespace: string, name: string, port: string) =>
    builder
      .selectFrom('target_group_reports')
      .select('data')
      .where('load_balancer_class', '=', loadBalancerClass)
      .where('cluster', '=', cluster)
      .where('namespace', '=', namespace)
      .where('name', '=', name)
      .where('port', '=', port),
);

export function targetGroupReport(store: Store, key: TargetGroupKey): TargetGroupReport | undefined {
  const row = reportByKey(store, key.loadBalancerClass, key.cluster, key.namespace, key.name, key.port);
  return row && (JSON.parse(row.data) as TargetGroupReport);
}

const leaseByClass = compiledQuery((builder, loadBalancerClass: string) =>
  builder.selectFrom('controller_leases').select('data').where('load_balancer_class', '=', loadBalancerClass),
);

/** Undefined when nobody has ever taken it. */
export function controllerLease(store: Store, loadBalancerClass: string): ControllerLease | undefined {
  const row = leaseByClass(store, loadBalancerClass);
  return row && (JSON.parse(row.data) as ControllerLease);
}
