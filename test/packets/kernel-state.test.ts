/** What is loaded is what is read back; what is damaged is what is reported. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { type DetectLocal, expectedStates, type RenderOptions } from '@signalbox/rules';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { compareAll, driftAfter, statesAfter, statesAfterChanges } from './kernel-listing.ts';
import { RECORDED_CLUSTER_CIDRS, recordedNode, recordedPlans } from './recorded-cluster.ts';
import { describeWithPrograms } from './requirements.ts';

const NODE = { name: 'n1', zone: 'z1', addresses: ['10.240.0.1', 'fd00:240::1'] };
const BOTH = ['IPv4', 'IPv6'] as const;
const NO_DRIFT = { differences: [], totals: { added: 0, missing: 0, changed: 0 } };

function optionsFor(backend: RenderOptions['backend'], parts: Partial<RenderOptions> = {}): RenderOptions {
  return { node: NODE, backend, families: BOTH, clusterCIDRs: RECORDED_CLUSTER_CIDRS, ...parts };
}

const NFT = ['unshare', 'nft'];
const IPTABLES = ['unshare', 'iptables-restore', 'ip6tables-restore', 'iptables-save', 'ip6tables-save'];

for (const [backend, programs] of [
  ['nftables', NFT],
  ['iptables', IPTABLES],
] as const) {
  describeWithPrograms(`${backend}, read back`, programs, () => {
    test('the recorded cluster has no differences', () => {
      const options = optionsFor(backend, { node: recordedNode('node-a') });
      const [state] = statesAfter(recordedPlans(), options);
      expect(state?.frontends.size).toBeGreaterThan(50);
      expect(driftAfter(recordedPlans(), options)).toEqual(NO_DRIFT);
    });

    test('rules that came by changes do what the last plans say', { timeout: 120_000 }, () => {
      const states = fc.array(fc.array(planParts, { maxLength: 5 }), { minLength: 2, maxLength: 4 });
      fc.assert(
        fc.property(states, (steps) => {
          const plans = steps.map((parts) => parts.map(planOf));
          const actual = statesAfterChanges(plans, optionsFor(backend));
          expect(compareAll(expectedStates(plans.at(-1) ?? [], optionsFor(backend)), actual)).toEqual(NO_DRIFT);
        }),
        { numRuns: 25 },
      );
    });

    test('whatever services there are, there are no differences', { timeout: 120_000 }, () => {
      fc.assert(
        fc.property(fc.array(planParts, { maxLength: 8 }), settings, (parts, options) => {
          expect(driftAfter(parts.map(planOf), optionsFor(backend, options))).toEqual(NO_DRIFT);
        }),
        { numRuns: 40 },
      );
    });
  });
}

const endpointParts = fc.record({
  host: fc.integer({ min: 1, max: 6 }),
  node: fc.constantFrom('n1', 'n2', undefined),
  state: fc.constantFrom('ready', 'draining', 'gone'),
  weight: fc.constantFrom(undefined, undefined, 0, 1, 3, 10),
  zones: fc.constantFrom(undefined, ['z1'], ['z2']),
});
const planParts = fc.record({
  protocol: fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const),
  endpoints: fc.array(endpointParts, { maxLength: 5 }),
  affinity: fc.constantFrom(undefined, 5, 10_800),
  external: fc.constantFrom('Cluster' as const, 'Local' as const),
  internal: fc.constantFrom('Cluster' as const, 'Local' as const),
  hasNodePort: fc.boolean(),
  hasExternalIP: fc.boolean(),
  hasVIP: fc.boolean(),
  ranges: fc.constantFrom([], ['192.0.2.0/24', '2001:db8::/64'], ['10.240.0.0/16'], ['0.0.0.0/0', '::/0']),
  hasHealthCheck: fc.boolean(),
});
const settings = fc.record(
  {
    clusterCIDRs: fc.constantFrom(
      [],
      ['10.244.0.0/16', 'fd00:244::/32'],
      ['10.244.0.0/16', '10.245.0.0/16', 'fd00:244::/32', 'fd00:245::/32'],
    ),
    detectLocal: fc.constantFrom<DetectLocal>(
      { mode: 'BridgeInterface', interfaceName: 'cbr0' },
      { mode: 'InterfaceNamePrefix', prefix: 'veth' },
    ),
    serviceCIDRs: fc.constantFrom(['10.96.0.0/12', 'fd00:96::/108']),
    masqueradeAll: fc.boolean(),
    nodePortAddresses: fc.constantFrom(['0.0.0.0/0', '::/0'], ['10.240.0.0/16', 'fd00:240::/64']),
  },
  { requiredKeys: [] },
);
type PlanParts = typeof planParts extends fc.Arbitrary<infer Parts> ? Parts : never;

function planOf(parts: PlanParts, index: number): ProxyPlan {
  const host = index + 1;
  const hasBalancer = parts.hasVIP;
  return aPlan({
    name: `web-${index}`,
    clusterIPs: [`10.96.0.${host}`, `fd00:96::${host}`],
    externalIPs: parts.hasExternalIP ? [`203.0.113.${host}`, `2001:db8:1::${host}`] : [],
    loadBalancerVIPs: hasBalancer ? [`198.51.100.${host}`, `2001:db8:2::${host}`] : [],
    loadBalancerSourceRanges: [...parts.ranges],
    externalTrafficPolicy: parts.external,
    internalTrafficPolicy: parts.internal,
    ...(parts.affinity === undefined ? {} : { sessionAffinitySeconds: parts.affinity }),
    ...(parts.hasHealthCheck ? { healthCheckNodePort: 31_000 + index } : {}),
    ports: [
      aPort({
        name: 'main',
        protocol: parts.protocol,
        endpoints: parts.endpoints.flatMap(endpointsOf),
        ...(parts.hasNodePort ? { nodePort: 30_000 + index } : {}),
      }),
    ],
  });
}

function endpointsOf({ host, node, state, weight, zones }: PlanParts['endpoints'][number]): PlanEndpoint[] {
  const common = {
    ready: state === 'ready',
    serving: state !== 'gone',
    terminating: state !== 'ready',
    ...(weight === undefined ? {} : { weight }),
    ...(zones === undefined ? {} : { hintZones: [...zones] }),
  };
  return [`10.244.1.${host}`, `fd00:244:1::${host}`].map((address) => {
    const { node: _node, ...endpoint } = anEndpoint({ address, ...common });
    return node === undefined ? endpoint : { ...endpoint, node };
  });
}
