/** Stored target groups, reports and leases → what the API shows of them. */
import {
  type ControllerLease,
  type GroupTarget,
  type LeaseStatus,
  type LoadBalancerPolicyObject,
  type LoadBalancerSummary,
  SignalboxError,
  TARGET_STATES,
  type TargetGroup,
  type TargetGroupDetail,
  type TargetGroupItem,
  type TargetGroupKey,
  type TargetGroupReport,
  type TargetReason,
  type TargetState,
} from '@signalbox/contracts';
import {
  controllerLease,
  listTargetGroupSets,
  type Store,
  type StoredTargetGroupSet,
  targetGroupReport,
  targetGroupSet,
  targetsIndex,
} from '@signalbox/store';

const GROUP_ID = /^(.+)\/([^/]+)\/([^/:]+):(\d{1,5}\/(?:TCP|UDP|SCTP))$/;

/** Throws `invalid` for what is no id of a target group. */
export function parseGroupId(loadBalancerClass: string, id: string): TargetGroupKey {
  const [, cluster, namespace, name, port] = GROUP_ID.exec(id) ?? [];
  if (cluster === undefined || namespace === undefined || name === undefined || port === undefined) {
    throw new SignalboxError('invalid', `id: "${id}" is not CLUSTER/NAMESPACE/SERVICE:PORT/PROTOCOL`);
  }
  return { loadBalancerClass, cluster, namespace, name, port };
}

/** Throws `not_found`. */
export function findGroup(store: Store, key: TargetGroupKey, id: string): TargetGroupItem {
  const stored = targetGroupSet(store, key);
  const item = stored && itemsOfSet(stored).find((group) => group.id === id);
  if (item !== undefined) return item;
  const where = key.loadBalancerClass === '' ? 'without a class' : `of the class ${key.loadBalancerClass}`;
  throw new SignalboxError('not_found', `there is no target group ${id} ${where}`);
}

export function itemsOfSet({ index, set }: StoredTargetGroupSet): TargetGroupItem[] {
  const { cluster, namespace, name: service, revision } = set;
  return set.groups.map((group) => ({ ...group, cluster, namespace, service, index, revision }));
}

export function describeGroup(store: Store, key: TargetGroupKey, group: TargetGroupItem): TargetGroupDetail {
  const report = targetGroupReport(store, key);
  const health = new Map(report?.targets.map((target) => [`${target.address} ${target.port}`, target]));
  return {
    ...group,
    targets: group.targets.map((target) => {
      const said = health.get(`${target.address} ${target.port}`);
      const since = said && new Date(said.sinceMs).toISOString();
      const detail = said?.detail === undefined ? {} : { detail: said.detail };
      return {
        ...target,
        why: whyOf(target),
        health: said && since ? { health: said.health, since, ...detail } : null,
      };
    }),
    report: report === undefined ? null : reportStatus(report, group.index),
  };
}

export function reportStatus(report: TargetGroupReport, newestIndex: number): NonNullable<TargetGroupDetail['report']> {
  const { controller, index, revision, programmedAtMs, error, reportedAtMs } = report;
  return {
    controller,
    index,
    revision,
    programmedAt: programmedAtMs === null ? null : new Date(programmedAtMs).toISOString(),
    error,
    reportedAt: new Date(reportedAtMs).toISOString(),
    isCurrent: error === '' && index >= newestIndex,
  };
}

const REASONS: Readonly<Record<TargetReason, string>> = {
  ready: 'the cluster wants it and it is ready',
  'mass-removal-guard':
    'the cluster does not want it, but too many would go at once; confirm it, or wait for the limit',
  'cluster-unreachable': 'the cluster cannot be read, so it stays as it was',
  paused: 'an administrator paused the class or the Service, so it stays as it was',
  batching: 'waits for others that come, to be sent together',
  flapping: 'came and went too often, so it is held down',
  'awaiting-rules': 'the nodes that serve it have not acknowledged the rules yet',
  'rate-limited': 'the updates of this class are used up for now',
  terminating: 'the endpoint terminates and still serves the connections that it has',
  removed: 'the cluster does not want it any more',
};
const EFFECTS: Readonly<Record<TargetState, string>> = {
  pending: 'not in yet',
  active: 'gets traffic',
  draining: 'keeps open connections, gets no new ones',
  gone: 'out',
};

function whyOf({ state, reason }: GroupTarget): string {
  return `${EFFECTS[state]}: ${REASONS[reason]}`;
}

export function leaseStatus(loadBalancerClass: string, lease: ControllerLease, nowMs: number): LeaseStatus {
  const { holder, epoch, acquiredAtMs, renewedAtMs, durationMs } = lease;
  const expiresAtMs = renewedAtMs + durationMs;
  return {
    loadBalancerClass,
    holder,
    epoch,
    state: holder === '' ? 'free' : nowMs < expiresAtMs ? 'held' : 'expired',
    acquiredAt: new Date(acquiredAtMs).toISOString(),
    renewedAt: new Date(renewedAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
}

export function summarizeClass(
  store: Store,
  loadBalancerClass: string,
  { policy, nowMs }: { policy: LoadBalancerPolicyObject | undefined; nowMs: number },
): LoadBalancerSummary {
  const groups = listTargetGroupSets(store, { loadBalancerClass }).flatMap((stored) =>
    stored.set.groups.map((group) => ({ group, index: stored.index, report: reportOf(store, stored, group) })),
  );
  const states = groups.flatMap(({ group }) => group.targets.map(({ state }) => state));
  const counts = TARGET_STATES.map((state) => [state, states.filter((other) => other === state).length]);
  const health = groups.flatMap(({ report }) => report?.targets ?? []);
  const lease = controllerLease(store, loadBalancerClass);
  return {
    loadBalancerClass,
    index: targetsIndex(store, loadBalancerClass),
    groups: groups.length,
    targets: Object.fromEntries(counts) as LoadBalancerSummary['targets'],
    programmed: groups.filter(({ report, index }) => report && reportStatus(report, index).isCurrent).length,
    failing: groups.filter(({ report }) => report !== undefined && report.error !== '').length,
    unhealthyTargets: health.filter((target) => target.health === 'unhealthy').length,
    lease: lease === undefined ? null : leaseStatus(loadBalancerClass, lease, nowMs),
    isPaused: policy?.spec.isPaused === true,
  };
}

/** Stored by port and protocol, which the group's id ends with. */
export function reportOf(
  store: Store,
  { loadBalancerClass, set }: StoredTargetGroupSet,
  { port, protocol }: TargetGroup,
): TargetGroupReport | undefined {
  const { cluster, namespace, name } = set;
  return targetGroupReport(store, { loadBalancerClass, cluster, namespace, name, port: `${port}/${protocol}` });
}
