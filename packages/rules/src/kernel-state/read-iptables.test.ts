import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import type { RenderOptions } from '../rules-backend.ts';
import { compareStates } from './compare-states.ts';
import { expectedStates } from './expected-state.ts';
import { readIptables } from './read-iptables.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'iptables',
  families: ['IPv4'],
  clusterCIDRs: ['10.244.0.0/16'],
};
const READ = { family: 'IPv4', podSources: ['10.244.0.0/16'] } as const;

/** As kube-proxy's own rules are listed: with its extras, counters, and a service that is gone. */
const KUBE_PROXY = `
*filter
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SERVICES - [0:0]
[12:720] -A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -j REJECT
-A KUBE-SERVICES -d 10.96.0.3/32 -p tcp -m comment --comment "shop/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*mangle
:KUBE-PROXY-CANARY - [0:0]
-A PREROUTING -j ACCEPT
COMMIT
*nat
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "shop/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -d 10.96.0.8/32 -p udp -m comment --comment "shop/gone cluster IP" -m udp --dport 53 -j KUBE-SVC-BBBBBBBBBBBBBBBB
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -d 127.0.0.0/8 -p tcp -m comment --comment "shop/web" -m tcp --dport 30001 -m nfacct --nfacct-name localhost_nps_accepted_pkts -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web" -m tcp --dport 30001 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment "masquerade traffic for shop/web external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-AAAAAAAAAAAAAAAA -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA ! -s 10.244.0.0/16 -d 10.96.0.1/32 -p tcp -m comment --comment "shop/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "shop/web -> 10.244.1.1:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-CCCCCCCCCCCCCCCC
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "shop/web -> 10.244.1.2:8080" -j KUBE-SEP-DDDDDDDDDDDDDDDD
-A KUBE-SEP-CCCCCCCCCCCCCCCC -s 10.244.1.1/32 -m comment --comment "shop/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-CCCCCCCCCCCCCCCC -p tcp -m comment --comment "shop/web" -m tcp -j DNAT --to-destination 10.244.1.1:8080
-A KUBE-SEP-DDDDDDDDDDDDDDDD -s 10.244.1.2/32 -m comment --comment "shop/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-DDDDDDDDDDDDDDDD -p tcp -m comment --comment "shop/web" -m tcp -j DNAT --to-destination 10.244.1.2:8080
-A KUBE-SVC-BBBBBBBBBBBBBBBB -m comment --comment "shop/gone -> 10.244.1.9:53" -j KUBE-SEP-EEEEEEEEEEEEEEEE
-A KUBE-SEP-EEEEEEEEEEEEEEEE -p udp -m comment --comment "shop/gone" -m udp -j DNAT --to-destination 10.244.1.9:53
COMMIT
`;

const WEB = aPlan({
  name: 'web',
  clusterIPs: ['10.96.0.1'],
  ports: [aPort({ nodePort: 30_001, endpoints: [anEndpoint(), anEndpoint({ address: '10.244.1.2' })] })],
});
const EMPTY = aPlan({ name: 'empty', clusterIPs: ['10.96.0.3'], ports: [aPort({ endpoints: [] })] });
const NEW = aPlan({ name: 'new', clusterIPs: ['10.96.0.4'] });

test("kube-proxy's rules are read by meaning: a service that is gone, and one that is missing", () => {
  const [expected] = expectedStates([WEB, EMPTY, NEW], OPTIONS);
  const actual = readIptables(KUBE_PROXY, READ);
  const { differences, totals } = (expected && compareStates(expected, actual, { hasOurLayout: false })) ?? {};
  expect(totals).toEqual({ added: 1, missing: 1, changed: 0 });
  expect(differences).toEqual([
    {
      family: 'IPv4',
      service: 'shop/gone',
      what: 'added',
      where: 'nat',
      at: 'udp 10.96.0.8:53',
      expected: '',
      actual: '10.244.1.9:53',
    },
    expect.objectContaining({ service: 'shop/new', what: 'missing', where: 'nat', at: 'tcp 10.96.0.4:80' }),
  ]);
});

test('a rule of no known form is counted or passed over, and stops nothing', () => {
  const state = readIptables(`*nat\n-A\n-Z KUBE-SERVICES\n${KUBE_PROXY}`, READ);
  expect(state.unreadable).toBe(2);
  expect(state.frontends.get('tcp 10.96.0.1:80')?.routes.size).toBe(3);
});

test('chains that lead to each other in a circle end', () => {
  const circle = `*nat
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -j KUBE-SEP-B
-A KUBE-SEP-B -j KUBE-SVC-A
COMMIT`;
  expect(readIptables(circle, READ).frontends.get('tcp 10.96.0.1:80')?.routes.size).toBe(0);
});
