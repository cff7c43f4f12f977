import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileResolvConf, DNS_POLICIES, type PodDns, RESOLV_CONF_LIMITS } from './compile-resolv-conf.ts';
import { parseResolvConf, resolvConfText } from './resolv-conf.ts';

const NODE = parseResolvConf('nameserver 192.0.2.53\nsearch corp.example.com. example.com\noptions timeout:2 rotate\n');
const KUBELET = { clusterDomain: 'cluster.local', clusterDNS: ['10.96.0.10'], resolvConf: NODE };

function aPod(pod: Partial<PodDns> = {}): PodDns {
  return { namespace: 'shop', dnsPolicy: 'ClusterFirst', hostNetwork: false, ...pod };
}

const CLUSTER = [
  'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example.com example.com',
  'nameserver 10.96.0.10',
  'options ndots:5',
];
const FROM_NODE = ['search corp.example.com example.com', 'nameserver 192.0.2.53', 'options timeout:2 rotate'];

describe('resolv.conf of a pod', () => {
  test.for<{ name: string; pod: Partial<PodDns>; kubelet?: Partial<typeof KUBELET>; lines: string[] }>([
    { name: 'ClusterFirst asks the cluster', pod: {}, lines: CLUSTER },
    { name: 'ClusterFirst on the host network is as the node', pod: { hostNetwork: true }, lines: FROM_NODE },
    {
      name: 'ClusterFirstWithHostNet asks the cluster from there too',
      pod: { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true },
      lines: CLUSTER,
    },
    { name: 'Default is as the node', pod: { dnsPolicy: 'Default' }, lines: FROM_NODE },
    {
      name: 'None is what the pod says, and nothing else',
      pod: { dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.example'], options: ['rotate'] } },
      lines: ['search a.example', 'nameserver 1.1.1.1', 'options rotate'],
    },
    {
      name: 'dnsConfig comes behind, each once, and its options replace',
      pod: {
        dnsConfig: {
          nameservers: ['10.96.0.10', '1.1.1.1'],
          searches: ['cluster.local', 'a.example', 'a.example'],
          options: ['ndots:2', 'edns0'],
        },
      },
      lines: [
        'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example.com example.com a.example',
        'nameserver 10.96.0.10',
        'nameserver 1.1.1.1',
        'options ndots:2 edns0',
      ],
    },
    {
      name: 'a domain of the node that the cluster has is there once',
      pod: {},
      kubelet: { resolvConf: parseResolvConf('search cluster.local lan') },
      lines: ['search shop.svc.cluster.local svc.cluster.local cluster.local lan', ...CLUSTER.slice(1)],
    },
    {
      name: 'servers that the node lists twice stay so while there is no dnsConfig',
      pod: { dnsPolicy: 'Default' },
      kubelet: { resolvConf: parseResolvConf('nameserver 1.1.1.1\nnameserver 1.1.1.1') },
      lines: ['nameserver 1.1.1.1', 'nameserver 1.1.1.1'],
    },
  ])('$name', ({ pod, kubelet, lines }) => {
    const { resolvConf, skipped } = compileResolvConf(aPod(pod), { ...KUBELET, ...kubelet });
    expect(resolvConfText(resolvConf).trimEnd().split('\n')).toEqual(lines);
    expect(skipped).toEqual([]);
  });

  test('without a cluster DNS server it is as Default, and says so', () => {
    const { resolvConf, skipped } = compileResolvConf(aPod(), { ...KUBELET, clusterDNS: [] });
    expect(resolvConf).toEqual(NODE);
    expect(skipped.map(({ path }) => path)).toEqual(['dnsPolicy']);
  });

  test('a kubelet without resolv.conf gives one that finds nothing', () => {
    const pod = aPod({ dnsPolicy: 'Default' });
    const { resolvConf, skipped } = compileResolvConf(pod, { ...KUBELET, resolvConf: undefined });
    expect(skipped.map(({ path }) => path)).toEqual(['resolv.conf']);
    expect(resolvConfText(resolvConf)).toBe('search .\nnameserver 127.0.0.1\n');
  });

  test.for<[what: string, pod: Partial<PodDns>]>([
    ['nameservers', { dnsPolicy: 'None' }],
    ['nameservers', { dnsConfig: { nameservers: ['dns.example.com'] } }],
    ['searches', { dnsConfig: { searches: ['a.example\nnameserver 6.6.6.6'] } }],
    ['searches', { dnsConfig: { searches: ['a..b'] } }],
    ['options', { dnsConfig: { options: ['ndots:5 rotate'] } }],
    ['namespace', { namespace: 'shop.evil' }],
  ])('%s that the API server refuses are refused: %j', ([what, pod]) => {
    expect(() => compileResolvConf(aPod(pod), KUBELET)).toThrow(`${what}: `);
  });
});

describe('limits', () => {
  const domain = fc.tuple(fc.stringMatching(/^[a-z]{1,60}$/), fc.integer({ min: 1, max: 6 }));
  const searches = fc.array(
    domain.map(([label, count]) => Array.from({ length: count }, () => label).join('.')),
    { maxLength: 60 },
  );
  const nameservers = fc.array(
    fc.ipV4().filter((text) => text !== ''),
    { minLength: 1, maxLength: 6 },
  );

  test('hold whatever is asked for, and all that is missing is told', () => {
    fc.assert(
      fc.property(searches, nameservers, fc.constantFrom(...DNS_POLICIES), (domains, servers, dnsPolicy) => {
        const pod = aPod({ dnsPolicy, dnsConfig: { searches: domains, nameservers: servers } });
        const { resolvConf, skipped } = compileResolvConf(pod, KUBELET);
        expect(resolvConf.nameservers.length).toBeLessThanOrEqual(3);
        expect(resolvConf.searches.length).toBeLessThanOrEqual(32);
        expect(resolvConf.searches.join(' ').length).toBeLessThanOrEqual(2048);
        expect(resolvConf.searches.every(({ length }) => length <= RESOLV_CONF_LIMITS.domainCharacters)).toBe(true);
        expect(new Set(resolvConf.searches).size).toBe(resolvConf.searches.length);
        for (const asked of new Set(domains)) {
          const isCut = skipped.some(({ path }) => path === `search ${asked}`);
          expect([asked, resolvConf.searches.includes(asked) !== isCut]).toEqual([asked, true]);
        }
        expect(parseResolvConf(resolvConfText(resolvConf))).toEqual(resolvConf);
      }),
    );
  });

  test.for<[count: number, length: number, kept: number, reason: string]>([
    [33, 10, 32, 'more than 32 search domains'],
    [32, 63, 32, ''],
    [32, 64, 31, 'the search line would be longer than 2048 characters'],
    [2, 254, 0, 'longer than 253 characters'],
  ])('%i domains of %i characters: %i are kept (%s)', ([count, length, kept, reason]) => {
    const domains = Array.from({ length: count }, (_, index) => `${index}`.padStart(length, 'a.'));
    const node = { nameservers: [], searches: domains, options: [] };
    const { resolvConf, skipped } = compileResolvConf(aPod({ dnsPolicy: 'Default' }), { ...KUBELET, resolvConf: node });
    expect(resolvConf.searches).toEqual(domains.slice(0, kept));
    expect(skipped.map((one) => one.reason)).toEqual(domains.slice(kept).map(() => reason));
  });
});

describe('reading resolv.conf', () => {
  test('the last search line counts, servers add up, comments do not count', () => {
    const text = '# one\n; two\nsearch a b.\n  nameserver 1.1.1.1 # x\nsearch . c.\nnameserver ::1\nsortlist x\n';
    expect(parseResolvConf(text)).toEqual({ nameservers: ['1.1.1.1', '::1'], searches: ['.', 'c'], options: [] });
  });

  test('options of several lines add up, the last of a name counts', () => {
    expect(parseResolvConf('options ndots:1 rotate\noptions ndots:3').options).toEqual(['ndots:3', 'rotate']);
  });

  test('a nameserver line without an address is refused', () => {
    expect(() => parseResolvConf('nameserver\n')).toThrow('line 1: nameserver without an address');
  });
});
