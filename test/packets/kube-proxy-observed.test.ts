/** A node that kube-proxy programs, in nftables mode: what it has that it should not, and what it lacks. */
import { compareStates, expectedStates, type RenderOptions } from '@signalbox/rules';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { nftablesStates } from './kernel-listing.ts';
import { describeWithPrograms } from './requirements.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'nftables',
  families: ['IPv4'],
  clusterCIDRs: ['10.244.0.0/16'],
};

const LOCAL = anEndpoint({ address: '10.244.1.1' });
const REMOTE = anEndpoint({ address: '10.244.2.1', node: 'n2' });
const PLANS = [
  aPlan({ name: 'web', clusterIPs: ['10.96.0.1'], ports: [aPort({ name: 'http', endpoints: [LOCAL, REMOTE] })] }),
  aPlan({
    name: 'near',
    clusterIPs: ['10.96.0.2'],
    externalTrafficPolicy: 'Local',
    ports: [aPort({ nodePort: 30_002, endpoints: [LOCAL, REMOTE] })],
  }),
  aPlan({
    name: 'balanced',
    clusterIPs: ['10.96.0.3'],
    loadBalancerVIPs: ['203.0.113.3'],
    loadBalancerSourceRanges: ['192.0.2.0/24'],
    sessionAffinitySeconds: 60,
    ports: [aPort({ endpoints: [LOCAL] })],
  }),
  aPlan({ name: 'empty', clusterIPs: ['10.96.0.4'], ports: [aPort({ endpoints: [] })] }),
];

const NOT_A_POD = 'ip saddr != 10.244.0.0/16 jump mark-for-masquerade';

/** The chain of one endpoint, as kube-proxy names and fills it. */
function endpointChain(name: string, address: string, affinitySet = ''): string {
  return `chain ${name} {
    ip saddr ${address} jump mark-for-masquerade
    ${affinitySet === '' ? '' : `update @${affinitySet} { ip saddr }`}
    meta l4proto tcp dnat to ${address}:8080
  }`;
}

const SETS = `
  set cluster-ips { type ipv4_addr ; elements = { 10.96.0.1, 10.96.0.2, 10.96.0.3, 10.96.0.4 } }
  set nodeport-ips { type ipv4_addr ; elements = { 10.240.0.1 } }
  set affinity-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080 { type ipv4_addr ; flags dynamic,timeout ; timeout 60s ; }
  chain mark-for-masquerade { meta mark set meta mark or 0x4000 ; }
  chain reject-chain { reject ; }
  map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 203.0.113.3 . tcp . 80 : goto firewall-CCCCCCCC-shop/balanced/tcp/ } }
  map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.96.0.4 . tcp . 80 comment "shop/empty" : goto reject-chain } }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }
  chain firewall-CCCCCCCC-shop/balanced/tcp/ { ip saddr != { 192.0.2.0/24 } drop ; }`;

const CHAINS = [
  endpointChain('endpoint-DDDDDDDD-shop/web/tcp/http__10.244.1.1/8080', '10.244.1.1'),
  endpointChain('endpoint-EEEEEEEE-shop/web/tcp/http__10.244.2.1/8080', '10.244.2.1'),
  endpointChain(
    'endpoint-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080',
    '10.244.1.1',
    'affinity-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080',
  ),
  `chain service-AAAAAAAA-shop/web/tcp/http {
    ip daddr 10.96.0.1 ${NOT_A_POD}
    numgen random mod 2 vmap { 0 : goto endpoint-DDDDDDDD-shop/web/tcp/http__10.244.1.1/8080,
      1 : goto endpoint-EEEEEEEE-shop/web/tcp/http__10.244.2.1/8080 }
  }`,
  `chain service-BBBBBBBB-shop/near/tcp/ {
    ip daddr 10.96.0.2 ${NOT_A_POD}
    numgen random mod 2 vmap { 0 : goto endpoint-DDDDDDDD-shop/web/tcp/http__10.244.1.1/8080,
      1 : goto endpoint-EEEEEEEE-shop/web/tcp/http__10.244.2.1/8080 }
  }`,
  `chain local-BBBBBBBB-shop/near/tcp/ {
    numgen random mod 1 vmap { 0 : goto endpoint-DDDDDDDD-shop/web/tcp/http__10.244.1.1/8080 }
  }`,
  `chain external-BBBBBBBB-shop/near/tcp/ {
    ip saddr 10.244.0.0/16 goto service-BBBBBBBB-shop/near/tcp/ comment "short-circuit pod traffic"
    fib saddr type local jump mark-for-masquerade
    fib saddr type local goto service-BBBBBBBB-shop/near/tcp/
    goto local-BBBBBBBB-shop/near/tcp/
  }`,
  `chain service-CCCCCCCC-shop/balanced/tcp/ {
    ip daddr 10.96.0.3 ${NOT_A_POD}
    ip saddr @affinity-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080 goto endpoint-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080
    numgen random mod 1 vmap { 0 : goto endpoint-KKKKKKKK-shop/balanced/tcp/__10.244.1.1/8080 }
  }`,
  `chain external-CCCCCCCC-shop/balanced/tcp/ {
    jump mark-for-masquerade
    goto service-CCCCCCCC-shop/balanced/tcp/
  }`,
];

const DISPATCH: Readonly<Record<string, string>> = {
  '10.96.0.1': 'service-AAAAAAAA-shop/web/tcp/http',
  '10.96.0.2': 'service-BBBBBBBB-shop/near/tcp/',
  '10.96.0.3': 'service-CCCCCCCC-shop/balanced/tcp/',
  '203.0.113.3': 'external-CCCCCCCC-shop/balanced/tcp/',
};

function kubeProxyTable(dispatch: Readonly<Record<string, string>>): string {
  const elements = Object.entries(dispatch).map(([address, chain]) => `${address} . tcp . 80 : goto ${chain}`);
  return `table ip kube-proxy {
    ${SETS}
    ${CHAINS.join('\n  ')}
    map service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; elements = { ${elements.join(', ')} } }
    map service-nodeports { type inet_proto . inet_service : verdict
      elements = { tcp . 30002 : goto external-BBBBBBBB-shop/near/tcp/ } }
    chain services {
      ip daddr . meta l4proto . th dport vmap @service-ips
      ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
    }
    chain nat-prerouting { type nat hook prerouting priority -100 ; jump services ; }
  }`;
}

function observe(dispatch: Readonly<Record<string, string>>, plans = PLANS) {
  const [expected] = expectedStates(plans, OPTIONS);
  const [actual] = nftablesStates(kubeProxyTable(dispatch), 'kube-proxy', OPTIONS);
  if (expected === undefined || actual === undefined) throw new Error('there is no IPv4');
  return compareStates(expected, actual, { hasOurLayout: false });
}

describeWithPrograms('kube-proxy, observed', ['unshare', 'nft'], () => {
  test('does the same, with other chains', () => {
    expect(observe(DISPATCH)).toEqual({ differences: [], totals: { added: 0, missing: 0, changed: 0 } });
  });

  test('has a service that is gone', () => {
    const dispatch = { ...DISPATCH, '10.96.9.9': 'service-AAAAAAAA-shop/web/tcp/http' };
    const { differences, totals } = observe(dispatch);
    expect(totals).toEqual({ added: 1, missing: 0, changed: 0 });
    expect(differences).toMatchObject([
      { service: 'shop/web:http', at: 'tcp 10.96.9.9:80', where: 'nat', expected: '' },
    ]);
  });

  test('lacks a service that is there', () => {
    const { '10.96.0.1': _web, ...dispatch } = DISPATCH;
    const { differences, totals } = observe(dispatch);
    expect(totals).toEqual({ added: 0, missing: 1, changed: 0 });
    expect(differences).toMatchObject([{ service: 'shop/web:http', at: 'tcp 10.96.0.1:80', where: 'nat', actual: '' }]);
  });

  test('still sends to an endpoint that is gone', () => {
    const [web, ...others] = PLANS;
    if (web === undefined) throw new Error('there are no plans');
    const smaller = { ...web, ports: [aPort({ name: 'http', endpoints: [LOCAL] })] };
    const { differences } = observe(DISPATCH, [smaller, ...others]);
    expect(differences).toMatchObject([
      { service: 'shop/web:http', what: 'changed', actual: expect.stringContaining('10.244.2.1:8080') },
    ]);
  });

  test('of pods that we do not know, nothing is said about masquerading', () => {
    const [expected] = expectedStates(PLANS, { ...OPTIONS, clusterCIDRs: [] });
    const [actual] = nftablesStates(kubeProxyTable(DISPATCH), 'kube-proxy', { ...OPTIONS, clusterCIDRs: [] });
    if (expected === undefined || actual === undefined) throw new Error('there is no IPv4');
    expect(compareStates(expected, actual, { hasOurLayout: false }).differences).toEqual([]);
  });
});
