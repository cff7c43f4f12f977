/** What is wrong with an intent for load balancers, beyond its schema. */
import { isIP } from 'node:net';
import type { LoadBalancerIntent, LoadBalancerPolicyObject } from '@signalbox/contracts';

export interface IntentProblem {
  readonly path: string;
  readonly reason: string;
  /** It would be right if something else were not there. */
  readonly isConflict: boolean;
}

/** `policies` are the others. */
export function checkLoadBalancerIntent(
  object: LoadBalancerIntent,
  policies: readonly LoadBalancerPolicyObject[],
): IntentProblem[] {
  if (object.kind === 'LoadBalancerPolicy') return checkPolicy(object, policies);
  if (object.kind !== 'LoadBalancerAddress') return [];
  return object.spec.ingress.flatMap(({ ip, hostname }, index) => {
    const path = `spec.ingress[${index}]`;
    if ((ip === undefined) === (hostname === undefined)) return [wrong(path, 'has to be an ip or a hostname')];
    return ip !== undefined && isIP(ip) === 0 ? [wrong(`${path}.ip`, `"${ip}" is not an IP address`)] : [];
  });
}

function checkPolicy(
  { metadata, spec }: LoadBalancerPolicyObject,
  policies: readonly LoadBalancerPolicyObject[],
): IntentProblem[] {
  const other = policies.find((policy) => {
    return policy.metadata.name !== metadata.name && policy.spec.loadBalancerClass === spec.loadBalancerClass;
  });
  const path = 'spec.loadBalancerClass';
  const reason = `the class has a policy already, ${other?.metadata.name}: change that one`;
  const problems: IntentProblem[] = other === undefined ? [] : [{ path, reason, isConflict: true }];
  const { suppressAbove, reuseBelow } = spec.flapping ?? {};
  if (suppressAbove !== undefined && reuseBelow !== undefined && reuseBelow >= suppressAbove) {
    problems.push(wrong('spec.flapping.reuseBelow', 'has to be below suppressAbove'));
  }
  return problems;
}

function wrong(path: string, reason: string): IntentProblem {
  return { path, reason, isConflict: false };
}
