/** Subjects of target groups, of what load balancers report on them, and of who drives a class. */
import { SignalboxError } from './errors.ts';
import type { ServiceKey } from './objects.ts';
import { decodeToken, encodeToken } from './subjects.ts';

export interface TargetGroupSetKey extends ServiceKey {
  readonly loadBalancerClass: string;
}

export function targetGroupSetSubject(key: TargetGroupSetKey): string {
  const tokens = [key.loadBalancerClass, key.cluster, key.namespace, key.name].map(encodeToken);
  return ['targets', 'group', ...tokens].join('.');
}

/** Pattern of the target groups of one class, which is all that its load balancer has to read. */
export function targetGroupsOfClass(loadBalancerClass: string): string {
  return `targets.group.${encodeToken(loadBalancerClass)}.>`;
}

export const TARGETS_WATERMARK_SUBJECT = 'targets.watermark';

/** Undefined for the watermark. */
export function parseTargetsSubject(subject: string): TargetGroupSetKey | undefined {
  if (subject === TARGETS_WATERMARK_SUBJECT) return undefined;
  const [stream, type, loadBalancerClass, cluster, namespace, name, ...rest] = subject.split('.');
  const isWhole = loadBalancerClass !== undefined && cluster !== undefined && namespace !== undefined;
  if (stream !== 'targets' || type !== 'group' || !isWhole || name === undefined || rest.length > 0) {
    throw new SignalboxError('invalid', `not a subject of the targets stream: ${subject}`);
  }
  return {
    loadBalancerClass: decodeToken(loadBalancerClass),
    cluster: decodeToken(cluster),
    namespace: decodeToken(namespace),
    name: decodeToken(name),
  };
}

export interface TargetGroupKey extends TargetGroupSetKey {
  /** `80/TCP`, as at the end of the registration's id. */
  readonly port: string;
}

export function targetGroupReportSubject(key: TargetGroupKey): string {
  const tokens = [key.loadBalancerClass, key.cluster, key.namespace, key.name, key.port].map(encodeToken);
  return ['status', 'group', ...tokens].join('.');
}

export function parseTargetGroupReportSubject(subject: string): TargetGroupKey {
  const [stream, type, loadBalancerClass, cluster, namespace, name, port, ...rest] = subject.split('.');
  const isWhole = loadBalancerClass !== undefined && cluster !== undefined && namespace !== undefined;
  if (stream !== 'status' || type !== 'group' || !isWhole || name === undefined || !port || rest.length > 0) {
    throw new SignalboxError('invalid', `not the subject of a target group's report: ${subject}`);
  }
  return {
    loadBalancerClass: decodeToken(loadBalancerClass),
    cluster: decodeToken(cluster),
    namespace: decodeToken(namespace),
    name: decodeToken(name),
    port: decodeToken(port),
  };
}

/** Pattern of all reports on the target groups of one class. */
export function targetGroupReportsOfClass(loadBalancerClass: string): string {
  return `status.group.${encodeToken(loadBalancerClass)}.>`;
}

export function controllerLeaseSubject(loadBalancerClass: string): string {
  return `status.lease.${encodeToken(loadBalancerClass)}`;
}

/** Its load-balancer class. */
export function parseControllerLeaseSubject(subject: string): string {
  const [stream, type, loadBalancerClass, ...rest] = subject.split('.');
  if (stream !== 'status' || type !== 'lease' || loadBalancerClass === undefined || rest.length > 0) {
    throw new SignalboxError('invalid', `not the subject of a lease: ${subject}`);
  }
  return decodeToken(loadBalancerClass);
}
