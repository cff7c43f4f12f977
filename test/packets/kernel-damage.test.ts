/** Each kind of damage done to rules in a real kernel, and exactly what is reported of it. */
import type { DriftDifference } from '@signalbox/contracts';
import type { RenderOptions } from '@signalbox/rules';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { driftAfter } from './kernel-listing.ts';
import { describeWithPrograms } from './requirements.ts';

const TWO = [anEndpoint({ address: '10.244.1.1' }), anEndpoint({ address: '10.244.1.2', node: 'n2' })];
const PLANS = [
  aPlan({ name: 'web', clusterIPs: ['10.96.0.1'], ports: [aPort({ name: 'http', nodePort: 30_001, endpoints: TWO })] }),
  aPlan({ name: 'sticky', clusterIPs: ['10.96.0.2'], sessionAffinitySeconds: 60, ports: [aPort({ endpoints: TWO })] }),
  aPlan({ name: 'empty', clusterIPs: ['10.96.0.3'], ports: [aPort({ endpoints: [] })] }),
  aPlan({
    name: 'balanced',
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.4'],
    loadBalancerVIPs: ['203.0.113.4'],
    loadBalancerSourceRanges: ['192.0.2.0/24'],
    ports: [aPort({ endpoints: [anEndpoint({ address: '10.244.1.4' })] })],
  }),
];
const WEB = { service: 'shop/web:http', at: 'tcp 10.96.0.1:80' };
const WEB_ROUTES = '10.244.1.1:8080 hairpin, 10.244.1.2:8080';

function optionsFor(backend: RenderOptions['backend']): RenderOptions {
  const node = { name: 'n1', addresses: ['10.240.0.1'] };
  return { node, backend, families: ['IPv4'], clusterCIDRs: ['10.244.0.0/16'] };
}

/** What each difference says, without what the row leaves out. */
function reported(differences: readonly DriftDifference[]): Partial<DriftDifference>[] {
  return differences.map(({ family: _family, ...difference }) => difference);
}

interface Damage {
  readonly name: string;
  readonly damage: string;
  readonly differences: readonly Partial<DriftDifference>[];
}

const NFT_DAMAGE: readonly Damage[] = [
  { name: 'nothing', damage: '', differences: [] },
  {
    name: 'a service is no longer dispatched',
    damage: "nft 'delete element ip signalbox service-ips { 10.96.0.1 . tcp . 80 }'",
    differences: [{ ...WEB, what: 'missing', where: 'nat', actual: '' }],
  },
  {
    name: 'an endpoint is gone',
    damage: "nft 'delete element ip signalbox endpoints-tcp { 10.96.0.1 . 80 . 1 }'",
    differences: [
      { ...WEB, what: 'changed', where: 'nat', actual: expect.stringContaining('10.244.1.1:8080 (50%) hairpin') },
    ],
  },
  {
    name: 'an endpoint is another one',
    damage: `nft 'delete element ip signalbox endpoints-tcp { 10.96.0.1 . 80 . 1 }
      add element ip signalbox endpoints-tcp { 10.96.0.1 . 80 . 1 : 10.244.9.9 . 8080 }'`,
    differences: [{ ...WEB, what: 'changed', where: 'nat', actual: expect.stringContaining('10.244.9.9:8080') }],
  },
  {
    name: 'an element is left over',
    damage: "nft 'add element ip signalbox endpoints-tcp { 10.96.0.1 . 80 . 2 : 10.244.9.9 . 8080 }'",
    differences: [
      {
        service: '',
        at: 'map endpoints-tcp',
        what: 'added',
        where: 'nat',
        actual: '10.96.0.1 . 80 . 2 : 10.244.9.9:8080',
      },
    ],
  },
  {
    name: 'a verdict is gone from the filter only',
    damage: "nft 'delete element ip signalbox service-verdicts { 10.96.0.3 . tcp . 80 }'",
    differences: [
      {
        service: 'shop/empty',
        at: 'tcp 10.96.0.3:80',
        what: 'missing',
        where: 'filter',
        expected: 'reject',
        actual: '',
      },
    ],
  },
  {
    name: 'a load balancer is open to everybody',
    damage: "nft 'delete element ip signalbox restricted-ips { 203.0.113.4 . tcp . 80 }'",
    differences: [
      {
        service: 'shop/balanced',
        at: 'tcp 203.0.113.4:80',
        what: 'missing',
        where: 'filter',
        expected: 'only from 192.0.2.0/24',
      },
    ],
  },
  {
    name: 'a cluster IP has open ports',
    damage: "nft 'delete element ip signalbox cluster-ips { 10.96.0.2 }'",
    differences: [{ service: 'shop/sticky', at: '10.96.0.2', what: 'missing', where: 'filter' }],
  },
  {
    name: 'a pod cannot reach itself',
    damage: "nft 'delete element ip signalbox hairpin { 10.244.1.4 . 10.244.1.4 }'",
    differences: [
      { service: 'shop/balanced', at: 'tcp 10.96.0.4:80', what: 'changed', where: 'nat' },
      { service: 'shop/balanced', at: 'tcp 203.0.113.4:80', what: 'changed', where: 'nat' },
    ],
  },
  {
    name: 'the chain of all services with two endpoints is empty',
    damage: 'nft flush chain ip signalbox internal-2',
    differences: [{ ...WEB, what: 'missing', where: 'nat', expected: expect.stringContaining(WEB_ROUTES) }],
  },
  {
    name: 'the dispatching chain is empty',
    damage: 'nft flush chain ip signalbox services',
    differences: [
      {
        service: '',
        at: 'chain services',
        what: 'missing',
        where: 'nat',
        expected: expect.stringContaining('@service-ips'),
      },
      {
        service: '',
        at: 'chain services',
        what: 'missing',
        where: 'nat',
        expected: expect.stringContaining('@service-nodeports'),
      },
    ],
  },
  {
    name: 'somebody put a rule into our table',
    damage: 'nft insert rule ip signalbox filter-forward ip saddr 192.0.2.66 accept',
    differences: [
      { service: '', at: 'chain filter-forward', what: 'added', where: 'filter', actual: 'ip saddr 192.0.2.66 accept' },
    ],
  },
  {
    name: 'somebody put a rule into a chain of services',
    damage: 'nft insert rule ip signalbox internal-2 tcp sport 1234 drop',
    differences: [{ service: '', at: 'chain internal-2', what: 'added', where: 'nat', actual: 'tcp sport 1234 drop' }],
  },
  {
    name: 'a base chain is gone',
    damage: 'nft flush chain ip signalbox filter-input; nft delete chain ip signalbox filter-input',
    differences: [
      {
        service: '',
        at: 'chain filter-input',
        what: 'missing',
        where: 'filter',
        expected: expect.stringContaining('hook input'),
        actual: '',
      },
    ],
  },
  {
    name: 'there is a base chain too many',
    damage: "nft 'add chain ip signalbox spy { type filter hook input priority 5 ; policy drop ; }'",
    differences: [
      {
        service: '',
        at: 'chain spy',
        what: 'added',
        where: 'nat',
        actual: 'type filter hook input priority 5 policy drop',
      },
    ],
  },
  {
    name: 'masquerading is done another way',
    damage: `nft flush chain ip signalbox mark-for-masquerade
      nft add rule ip signalbox mark-for-masquerade meta mark set 0x1`,
    differences: [
      {
        service: '',
        at: 'chain mark-for-masquerade',
        what: 'missing',
        expected: 'meta mark set meta mark | 0x00004000',
      },
      { service: '', at: 'chain mark-for-masquerade', what: 'added', actual: 'meta mark set 1' },
    ],
  },
  {
    name: 'a client with session affinity is no longer recognised',
    damage: `sticky=$(nft list table ip signalbox | grep -o 'sticky-[0-9a-f]*' | head -n 1)
      handle=$(nft -a list chain ip signalbox $sticky | grep '@affinity' | head -n 1 | grep -o '[0-9]*$')
      nft delete rule ip signalbox $sticky handle $handle`,
    differences: [
      {
        service: 'shop/sticky',
        at: 'tcp 10.96.0.2:80',
        what: 'changed',
        where: 'nat',
        actual: expect.stringContaining('affinity broken'),
      },
    ],
  },
];

const IPTABLES_DAMAGE: readonly Damage[] = [
  { name: 'nothing', damage: '', differences: [] },
  {
    name: 'a service is no longer dispatched',
    damage: 'iptables -t nat -S KUBE-SERVICES | grep 10.96.0.1 | sed s/-A/-D/ | xargs iptables -t nat',
    differences: [{ ...WEB, what: 'missing', where: 'nat', actual: '' }],
  },
  {
    name: 'an endpoint is another one',
    damage: `iptables-save -t nat | sed s/10.244.1.2:8080/10.244.9.9:8080/ | iptables-restore`,
    differences: [
      { service: 'shop/sticky', what: 'changed', where: 'nat', actual: expect.stringContaining('10.244.9.9:8080') },
      { ...WEB, what: 'changed', where: 'nat', actual: expect.stringContaining('10.244.9.9:8080') },
      { ...WEB, at: 'tcp node:30001', what: 'changed', actual: expect.stringContaining('10.244.9.9:8080') },
    ],
  },
  {
    name: 'a verdict is gone from the filter only',
    damage: 'iptables -t filter -S KUBE-SERVICES | grep 10.96.0.3 | sed s/-A/-D/ | xargs iptables -t filter',
    differences: [
      { service: 'shop/empty', at: 'tcp 10.96.0.3:80', what: 'missing', where: 'filter', expected: 'reject' },
    ],
  },
  {
    name: 'a load balancer is closed to nobody',
    damage: 'iptables -F KUBE-PROXY-FIREWALL',
    differences: [
      {
        service: 'shop/balanced',
        at: 'tcp 203.0.113.4:80',
        what: 'missing',
        where: 'filter',
        expected: 'only from 192.0.2.0/24',
      },
    ],
  },
  {
    name: 'clients have another time to come back',
    damage: 'iptables-save -t nat | sed "s/--seconds 60/--seconds 61/" | iptables-restore',
    differences: [
      { service: 'shop/sticky', what: 'changed', where: 'nat', actual: expect.stringContaining('affinity 61') },
    ],
  },
  {
    name: 'a rule of forwarding is gone',
    damage: 'iptables -D KUBE-FORWARD 1',
    differences: [
      {
        service: '',
        at: 'chain filter KUBE-FORWARD',
        what: 'missing',
        where: 'filter',
        expected: '--ctstate INVALID -j DROP',
      },
    ],
  },
  {
    name: 'the way into our chains is gone',
    damage: 'iptables -t nat -D PREROUTING 1',
    differences: [
      { service: '', at: 'chain nat PREROUTING', what: 'missing', where: 'nat', expected: '-j KUBE-SERVICES' },
    ],
  },
  {
    name: "other programs' chains are not ours to judge",
    damage: `iptables -N KUBE-OTHERS; iptables -A KUBE-FIREWALL -j DROP
      iptables -I OUTPUT -j KUBE-FIREWALL; iptables -A FORWARD -s 192.0.2.1 -j ACCEPT`,
    differences: [],
  },
  {
    name: 'somebody put a rule into a chain of ours',
    damage: 'iptables -t nat -A KUBE-POSTROUTING -s 192.0.2.66 -j ACCEPT',
    differences: [{ service: '', at: 'chain nat KUBE-POSTROUTING', what: 'added', actual: '-j ACCEPT -s 192.0.2.66' }],
  },
];

describeWithPrograms('damage to nftables', ['unshare', 'nft'], () => {
  test.for(NFT_DAMAGE)('$name', ({ damage, differences }, { expect }) => {
    const found = driftAfter(PLANS, optionsFor('nftables'), damage);
    expect(reported(found.differences)).toEqual(differences.map((difference) => expect.objectContaining(difference)));
  });

  test('an element of a service that is gone is reported by its name', () => {
    const damage = `chain=$(nft list table ip signalbox | grep -o 'sticky-[0-9a-f]*-internal')
      nft "add element ip signalbox service-ips { 10.96.9.9 . tcp . 80 comment \\"old/gone cluster IP\\" : goto $(echo $chain | cut -d ' ' -f 1) }"`;
    const { differences, totals } = driftAfter(PLANS, optionsFor('nftables'), damage);
    expect(totals).toEqual({ added: 1, missing: 0, changed: 0 });
    expect(differences).toEqual([
      expect.objectContaining({
        service: 'old/gone',
        what: 'added',
        where: 'nat',
        at: 'tcp 10.96.9.9:80',
        expected: '',
      }),
    ]);
  });

  test('without our table everything is missing, and nothing is added', () => {
    const { differences, totals } = driftAfter(PLANS, optionsFor('nftables'), 'nft delete table ip signalbox');
    expect(totals).toMatchObject({ added: 0, changed: 0 });
    const ofServices = new Set(differences.filter(({ service }) => service !== '').map(({ service }) => service));
    expect(ofServices).toEqual(new Set(['shop/web:http', 'shop/sticky', 'shop/empty', 'shop/balanced']));
  });
});

describeWithPrograms('damage to iptables', ['unshare', 'iptables-restore', 'iptables-save'], () => {
  test.for(IPTABLES_DAMAGE)('$name', ({ damage, differences }, { expect }) => {
    const found = driftAfter(PLANS, optionsFor('iptables'), damage);
    expect(reported(found.differences)).toEqual(differences.map((difference) => expect.objectContaining(difference)));
  });
});
