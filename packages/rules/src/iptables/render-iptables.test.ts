import { describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { NodeRules, type RenderOptions, renderRules } from '../index.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'iptables',
  families: ['IPv4'],
  clusterCIDRs: ['10.244.0.0/16'],
};

function linesOf(plan: Parameters<typeof aPlan>[0], options: Partial<RenderOptions> = {}): string[] {
  return renderRules([aPlan(plan)], { ...OPTIONS, ...options }).text.split('\n');
}

test('chain names are the ones that kube-proxy makes', () => {
  const port = aPort({ name: 'p80', endpoints: [anEndpoint({ address: '10.180.0.1', port: 80 })] });
  const lines = linesOf({ namespace: 'ns1', name: 'svc1', clusterIPs: ['172.30.0.41'], ports: [port] });
  expect(lines).toContain(
    '-A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O',
  );
  expect(lines).toContain(
    '-A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j KUBE-SEP-SXIVWICOYRO3J4NJ',
  );
});

describe('the endpoint is chosen', () => {
  const endpoints = ['10.244.1.1', '10.244.1.2', '10.244.1.3'].map((address) => anEndpoint({ address }));
  const probabilities = (lines: readonly string[]): (string | undefined)[] =>
    lines
      .filter((line) => line.startsWith('-A KUBE-SVC-') && line.includes(' -> '))
      .map((line) => /--probability (\S+)/.exec(line)?.[1]);

  test('evenly', () => {
    expect(probabilities(linesOf({ ports: [aPort({ endpoints })] }))).toEqual([
      '0.3333333333',
      '0.5000000000',
      undefined,
    ]);
  });

  test('by weight, and never with weight 0', () => {
    const weighted = endpoints.map((endpoint, index) => ({ ...endpoint, weight: index * 10 }));
    expect(probabilities(linesOf({ ports: [aPort({ endpoints: weighted })] }))).toEqual(['0.3333333333', undefined]);
  });
});

describe('traffic to a cluster IP is masqueraded', () => {
  const masqueraded = (options: Partial<RenderOptions>): string[] =>
    linesOf({}, options).filter((line) => /^-A KUBE-(SVC-\S+|MARK-REMOTE) .*-j (KUBE-MARK|RETURN)/.test(line));

  test.for<{ name: string; options: Partial<RenderOptions>; expected: string[] }>([
    { name: 'when it is not from the pods', options: {}, expected: ['! -s 10.244.0.0/16 -j KUBE-MARK-MASQ'] },
    { name: 'always, if told so', options: { masqueradeAll: true }, expected: ['--dport 80 -j KUBE-MARK-MASQ'] },
    { name: 'never, if nothing is known of pods', options: { clusterCIDRs: [] }, expected: [] },
    {
      name: 'when it is from none of several ranges',
      options: { clusterCIDRs: ['10.244.0.0/16', '10.250.0.0/16'] },
      expected: [
        '-s 10.244.0.0/16 -j RETURN',
        '-s 10.250.0.0/16 -j RETURN',
        'REMOTE -j KUBE-MARK-MASQ',
        '--dport 80 -j KUBE-MARK-REMOTE',
      ],
    },
  ])('$name', ({ options, expected }) => {
    const lines = masqueraded(options);
    expect(lines).toHaveLength(expected.length);
    for (const [index, line] of lines.entries()) expect(line).toContain(expected[index]);
  });
});

test('health check node ports are let in', () => {
  const lines = linesOf({ healthCheckNodePort: 30_100 });
  expect(lines).toContain(
    '-A KUBE-NODEPORTS -m comment --comment "shop/web health check node port" -m tcp -p tcp --dport 30100 -j ACCEPT',
  );
});

test('node ports answer on the given addresses only', () => {
  const lines = linesOf({}, { nodePortAddresses: ['10.240.0.0/16', 'fd00::/8'] });
  const dispatch = lines.filter((line) => line.endsWith('-j KUBE-NODEPORTS') && line.startsWith('-A KUBE-SERVICES'));
  expect(dispatch).toHaveLength(1);
  expect(dispatch[0]).toContain('-d 10.240.0.0/16 -m addrtype --dst-type LOCAL');
});

describe('node ports on 127.0.0.1', () => {
  const script = (options: Partial<RenderOptions>): string =>
    new NodeRules({ ...OPTIONS, ...options })
      .reset([aPlan()])
      .steps.map(({ input }) => input)
      .join('');

  test.for<{ name: string; options: Partial<RenderOptions>; isOpen: boolean }>([
    { name: 'answer as long as nothing else is said', options: {}, isOpen: true },
    { name: 'answer where they are asked for', options: { nodePortAddresses: ['127.0.0.1/32'] }, isOpen: true },
    { name: 'do not answer where others are', options: { nodePortAddresses: ['10.0.0.0/8'] }, isOpen: false },
    { name: 'are not a thing of IPv6', options: { families: ['IPv6'] }, isOpen: false },
  ])('$name, and then neighbours cannot reach what listens on loopback', ({ options, isOpen }) => {
    const text = script(options);
    expect(text.includes('sysctl -qw net.ipv4.conf.all.route_localnet=1')).toBe(isOpen);
    const protection = '! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP';
    expect(text.includes(protection)).toBe(isOpen);
    expect(text.includes('-I INPUT -j KUBE-FIREWALL')).toBe(isOpen);
  });
});
