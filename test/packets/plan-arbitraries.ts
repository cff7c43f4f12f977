/** Random plans of a small world, where services share names, addresses, ports and endpoints as often as they can. */
import type { PlanEndpoint, ProxyPlan, ServicePortPlan } from '@signalbox/contracts';
import fc from 'fast-check';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';

const SERVICE_IPS = ['10.96.0.1', '10.96.0.2', 'fd00:96::1', 'fd00:96::2'];
const OUTSIDE_IPS = ['10.240.0.1', 'fd00:240::1', '203.0.113.1', '203.0.113.2', '2001:db8:f::1', ...SERVICE_IPS];
const PODS = ['10.244.1.1', '10.244.1.2', '10.244.1.3', 'fd00:244:1::1', 'fd00:244:1::2'];

const endpoint: fc.Arbitrary<PlanEndpoint> = fc
  .record({
    address: fc.constantFrom(...PODS),
    port: fc.constantFrom(8080, 8081),
    node: fc.constantFrom('n1', 'n2'),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    weight: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined, freq: 4 }),
  })
  .map(({ weight, ...parts }) => anEndpoint({ ...parts, ...(weight === undefined ? {} : { weight }) }));

const port: fc.Arbitrary<ServicePortPlan> = fc
  .record({
    name: fc.constantFrom('', 'a'),
    protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    port: fc.constantFrom(80, 81, 30_080),
    nodePort: fc.option(fc.constantFrom(30_080, 30_081), { nil: undefined }),
    endpoints: fc.uniqueArray(endpoint, { maxLength: 5, selector: ({ address, port }) => `${address} ${port}` }),
  })
  .map(({ nodePort, ...parts }) => aPort({ ...parts, ...(nodePort === undefined ? {} : { nodePort }) }));

const plan: fc.Arbitrary<ProxyPlan> = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    clusterIPs: fc.uniqueArray(fc.constantFrom(...SERVICE_IPS), { minLength: 1, maxLength: 2 }),
    externalIPs: fc.uniqueArray(fc.constantFrom(...OUTSIDE_IPS), { maxLength: 2 }),
    loadBalancerVIPs: fc.uniqueArray(fc.constantFrom(...OUTSIDE_IPS), { maxLength: 2 }),
    loadBalancerSourceRanges: fc.uniqueArray(fc.constantFrom('192.0.2.0/24', '198.51.100.0/24', '2001:db8::/64'), {
      maxLength: 2,
    }),
    externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    sessionAffinitySeconds: fc.option(fc.constantFrom(10, 20), { nil: undefined, freq: 2 }),
    healthCheckNodePort: fc.option(fc.constantFrom(32_000, 32_001), { nil: undefined }),
    ports: fc.uniqueArray(port, { maxLength: 2, selector: ({ name, protocol }) => `${name} ${protocol}` }),
  })
  .map(({ sessionAffinitySeconds, healthCheckNodePort, ...parts }) =>
    aPlan({
      ...parts,
      ...(sessionAffinitySeconds === undefined ? {} : { sessionAffinitySeconds }),
      ...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
    }),
  );

/** Plans of services with different names. */
export const somePlans: fc.Arbitrary<ProxyPlan[]> = fc.uniqueArray(plan, {
  maxLength: 4,
  selector: ({ name }) => name,
});

/** What takes one set of plans to another. */
export function changesBetween(before: readonly ProxyPlan[], after: readonly ProxyPlan[]) {
  const gone = before.filter(({ name }) => !after.some((plan) => plan.name === name));
  return [...gone.map((plan) => ({ key: plan, plan: undefined })), ...after.map((plan) => ({ key: plan, plan }))];
}
