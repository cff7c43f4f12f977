/** What the target-group controller and load balancers would write into a log. */
import {
  type ControllerLease,
  controllerLeaseSubject,
  type GroupTarget,
  type ServiceKey,
  TARGETS_WATERMARK_SUBJECT,
  type TargetGroup,
  type TargetGroupReport,
  targetGroupReportSubject,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';

const AT_MS = 1_772_352_000_000;
export const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };

export function aTarget(address: string, parts: Partial<GroupTarget> = {}): GroupTarget {
  return {
    type: 'pod',
    address,
    port: 8080,
    cluster: 'c1',
    weight: 1,
    state: 'active',
    reason: 'ready',
    sinceMs: AT_MS,
    ...parts,
  };
}

export function aGroup(
  key: ServiceKey,
  targets: readonly (GroupTarget | string)[],
  parts: Partial<TargetGroup> = {},
): TargetGroup {
  const { port = 80, protocol = 'TCP' } = parts;
  return {
    id: `${key.cluster}/${key.namespace}/${key.name}:${port}/${protocol}`,
    loadBalancerClass: '',
    portName: 'http',
    protocol,
    port,
    addresses: [],
    hostnames: [],
    sourceRanges: [],
    healthCheck: { type: 'tcp', port: 8080 },
    targets: targets.map((target) => (typeof target === 'string' ? aTarget(target) : target)),
    ...parts,
  };
}

/** Returns the index. */
export function putTargets(
  log: EventLog,
  key: ServiceKey,
  targets: readonly (GroupTarget | string)[],
  parts: Partial<TargetGroup> & { revision?: number } = {},
): Promise<number> {
  const { revision = 7, ...group } = parts;
  const { loadBalancerClass = '' } = group;
  const times = { changedAtMs: AT_MS, decidedAtMs: AT_MS };
  const set = { ...key, revision, ...times, groups: [aGroup(key, targets, group)] };
  const subject = targetGroupSetSubject({ ...key, loadBalancerClass });
  return log.append('targets', { subject, data: JSON.stringify(set) });
}

export function removeTargets(log: EventLog, key: ServiceKey, loadBalancerClass = ''): Promise<number> {
  return log.append('targets', { subject: targetGroupSetSubject({ ...key, loadBalancerClass }), data: null });
}

export function decided(log: EventLog, revision: number): Promise<number> {
  return log.append('targets', { subject: TARGETS_WATERMARK_SUBJECT, data: JSON.stringify({ revision }) });
}

/** As a driver that writes to the log itself. */
export function sayOfGroup(
  log: EventLog,
  key: ServiceKey,
  report: Partial<TargetGroupReport> = {},
  loadBalancerClass = '',
): Promise<number> {
  const whole = { controller: 'haproxy-1', index: 1, revision: 7, programmedAtMs: AT_MS, error: '', targets: [] };
  const subject = targetGroupReportSubject({ ...key, loadBalancerClass, port: '80/TCP' });
  return log.append('status', { subject, data: JSON.stringify({ ...whole, reportedAtMs: AT_MS, ...report }) });
}

export function holdLease(log: EventLog, lease: Partial<ControllerLease>, loadBalancerClass = ''): Promise<number> {
  const whole = { holder: 'haproxy-1', epoch: 1, acquiredAtMs: AT_MS, renewedAtMs: AT_MS, durationMs: 15_000 };
  const data = JSON.stringify({ ...whole, ...lease });
  return log.append('status', { subject: controllerLeaseSubject(loadBalancerClass), data });
}
