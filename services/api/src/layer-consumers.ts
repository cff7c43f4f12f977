/**
 * Who applies a layer, and how far each has come. Node agents, DNS servers and drivers acknowledge revisions themselves.
 * Controllers that ask the HTTP API report target groups, not revisions; what they have of a class follows from that:
 *
 * | target groups of the class in a cluster     | the class is at                                               |
 * | ------------------------------------------- | ------------------------------------------------------------- |
 * | all reported as programmed, at their index  | the revision up to which target groups are decided            |
 * | some not                                    | what was reported of the one furthest behind, and below its newest set |
 * | some never reported                         | 0                                                             |
 */
import type { Ack, ConsumerBehind, LayerProgress, TargetGroup, TargetGroupReport } from '@signalbox/contracts';
import {
  type BehindOptions,
  type ConsumerScope,
  controllerLease,
  countConsumers,
  listConsumers,
  listConsumersBehind,
  listTargetGroupSets,
  type Store,
  type StoredTargetGroupSet,
  targetsRevision,
} from '@signalbox/store';
import { reportOf, reportStatus } from './target-group-views.ts';

/** An Ack is one as it is. */
export interface LayerConsumer extends Pick<ConsumerBehind, 'cluster' | 'consumer' | 'kind' | 'revision' | 'error'> {
  readonly appliedAtMs: number | null;
}

/** Those of one layer, in the scope that they were asked for. */
export interface Consumers {
  readonly counts: LayerProgress['consumers'];
  /** What every one of them has; undefined without any. */
  readonly leastRevision: number | undefined;
  /** Of those that do not have the revision. */
  behind(order: BehindOptions['order'], limit: number): readonly LayerConsumer[];
}

/** Measured by a revision. Node agents and DNS servers are many: they are counted by the store. */
export function layerConsumers(store: Store, scope: ConsumerScope, revision: number): Consumers {
  if (scope.layer === 'lb') return consumersOf(loadBalancers(store, scope.cluster), revision);
  const { total, applied, failing, leastRevision } = countConsumers(store, scope, revision);
  return {
    counts: { total, applied, failing, lagging: total - applied - failing },
    leastRevision,
    behind: (order, limit) => {
      return applied === total ? [] : listConsumersBehind(store, scope, { revision, order, limit });
    },
  };
}

function consumersOf(consumers: readonly LayerConsumer[], wanted: number): Consumers {
  const behind = consumers.filter(({ revision }) => revision < wanted);
  const failing = behind.filter(({ error }) => error !== '').length;
  const [total, applied] = [consumers.length, consumers.length - behind.length];
  return {
    counts: { total, applied, failing, lagging: behind.length - failing },
    leastRevision: consumers.length === 0 ? undefined : Math.min(...consumers.map(({ revision }) => revision)),
    behind: (order, limit) => behind.sort(order === 'urgency' ? byUrgency : byRevision).slice(0, limit),
  };
}

function byUrgency(a: LayerConsumer, b: LayerConsumer): number {
  return Number(a.error === '') - Number(b.error === '') || byRevision(a, b);
}

function byRevision(a: LayerConsumer, b: LayerConsumer): number {
  return a.revision - b.revision || compareText(a.cluster, b.cluster) || compareText(a.consumer, b.consumer);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function loadBalancers(store: Store, cluster: string | undefined): LayerConsumer[] {
  const acks = listConsumers(store, { layer: 'lb', cluster });
  const driven = new Set(acks.flatMap((ack) => (ack.kind === 'lb-driver' ? [ack.loadBalancerClass] : [])));
  const speaking = acks.filter((ack) => ack.kind !== 'lb-driver' || maySpeak(store, ack));
  return [...speaking, ...pullControllers(store, cluster, driven)];
}

/** A driver whose class another one has taken over left its last word behind. */
function maySpeak(store: Store, { consumer, loadBalancerClass }: Extract<Ack, { kind: 'lb-driver' }>): boolean {
  const holder = controllerLease(store, loadBalancerClass)?.holder ?? '';
  return holder === '' || holder === consumer;
}

/** Classes that somebody programs, by a lease or a report, and that no driver acknowledges. */
function pullControllers(store: Store, cluster: string | undefined, driven: ReadonlySet<string>): LayerConsumer[] {
  const byClass = new Map<string, StoredTargetGroupSet[]>();
  for (const stored of listTargetGroupSets(store, { cluster })) {
    if (driven.has(stored.loadBalancerClass)) continue;
    const key = JSON.stringify([stored.loadBalancerClass, stored.set.cluster]);
    byClass.set(key, [...(byClass.get(key) ?? []), stored]);
  }
  return [...byClass.values()].flatMap((sets) => pullController(store, sets) ?? []);
}

interface ReportedGroup {
  readonly stored: StoredTargetGroupSet;
  readonly group: TargetGroup;
  readonly report: TargetGroupReport | undefined;
}

/** Of the sets of one class and cluster. Undefined: nobody programs it. */
function pullController(store: Store, sets: readonly StoredTargetGroupSet[]): LayerConsumer | undefined {
  const groups: ReportedGroup[] = sets.flatMap((stored) =>
    stored.set.groups.map((group) => ({ stored, group, report: reportOf(store, stored, group) })),
  );
  const [first] = groups;
  if (first === undefined) return undefined;
  const holder = controllerLease(store, first.stored.loadBalancerClass)?.holder ?? '';
  const reports = groups.flatMap(({ report }) => report ?? []);
  const consumer = holder === '' ? reports[0]?.controller : holder;
  if (consumer === undefined) return undefined;
  const behind = groups.filter(({ stored, report }) => !(report && reportStatus(report, stored.index).isCurrent));
  const programmedAtMs = Math.max(0, ...reports.map((report) => report.programmedAtMs ?? 0));
  return {
    cluster: first.stored.set.cluster,
    consumer,
    kind: 'lb-controller',
    revision: Math.min(targetsRevision(store) ?? 0, ...behind.map(revisionOf)),
    appliedAtMs: programmedAtMs > 0 ? programmedAtMs : null,
    error: failureOf(behind),
  };
}

/** A set may change without a new revision, when a batching window ends: what it was reported at then does not count. */
function revisionOf({ stored, report }: ReportedGroup): number {
  return Math.max(0, Math.min(report?.revision ?? 0, stored.set.revision - 1));
}

function failureOf(behind: readonly ReportedGroup[]): string {
  const failing = behind.find(({ report }) => report !== undefined && report.error !== '');
  return failing === undefined ? '' : `${failing.group.id}: ${failing.report?.error}`;
}
