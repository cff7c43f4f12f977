import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { renderRules } from '../render-rules.ts';
import type { RenderOptions } from '../rules-backend.ts';
import { compareStates } from './compare-states.ts';
import { expectedStates, podSourcesOf } from './expected-state.ts';
import { type IpvsListing, readIpvs } from './read-ipvs.ts';

const NODE = { name: 'n1', addresses: ['10.240.0.1', '10.240.0.2', 'fd00:240::1'] };

function optionsFor(family: 'IPv4' | 'IPv6', parts: Partial<RenderOptions> = {}): RenderOptions {
  return {
    node: NODE,
    backend: 'ipvs',
    families: [family],
    clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'],
    ...parts,
  };
}

/**
 * What the programs would list after the script: sets are filled under another name and swapped in; servers are the lines of
 * `ipvsadm --restore` that follow the program which compares them with what is there.
 */
function listingOf(script: string): IpvsListing {
  const inputOf = (program: string): string =>
    new RegExp(`^${program} .*<<'SIGNALBOX_END'\\n([\\s\\S]*?)\\nSIGNALBOX_END$`, 'm').exec(script)?.[1] ?? '';
  const linesOf = (text: string, pattern: RegExp): string[] => text.split('\n').filter((line) => pattern.test(line));
  const input = inputOf('ipset');
  const swapped = new Map([...input.matchAll(/^swap (\S+) (\S+)$/gm)].map(([, from = '', to = '']) => [from, to]));
  const ipset = linesOf(input, /^(?:add|create) /)
    .filter((line) => !(line.startsWith('create') && swapped.has(line.split(' ')[1] ?? '')))
    .map((line) => line.replace(/ \S+/, (name) => ` ${swapped.get(name.trim()) ?? name.trim()}`));
  const ipvsadm = linesOf(script, /^-[Aa] (?:-[tu]|--sctp-service) /);
  return { ipvsadm: ipvsadm.join('\n'), ipset: ipset.join('\n'), iptables: inputOf('ip6?tables-restore') };
}

const parts = fc.record({
  endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
  weights: fc.array(fc.constantFrom(1, 2, 7), { minLength: 4, maxLength: 4 }),
  isRemote: fc.boolean(),
  external: fc.constantFrom('Cluster' as const, 'Local' as const),
  internal: fc.constantFrom('Cluster' as const, 'Local' as const),
  hasRanges: fc.constantFrom('no', 'some', 'all'),
  affinity: fc.option(fc.constantFrom(5, 10_800), { nil: undefined }),
  protocol: fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const),
});
const RANGES = { no: [], some: ['192.0.2.0/24', '2001:db8::/64'], all: ['0.0.0.0/0', '::/0'] };

test('what is rendered is what is read back', () => {
  fc.assert(
    fc.property(
      fc.array(parts, { maxLength: 5 }),
      fc.constantFrom('IPv4', 'IPv6'),
      fc.boolean(),
      (all, family, isMasqueraded) => {
        const plans = all.map((one, index) =>
          aPlan({
            name: `web-${index}`,
            clusterIPs: [`10.96.0.${index + 1}`, `fd00:96::${index + 1}`],
            externalIPs: [`203.0.113.${index + 1}`, `2001:db8:1::${index + 1}`],
            loadBalancerVIPs: [`198.51.100.${index + 1}`, `2001:db8:2::${index + 1}`],
            loadBalancerSourceRanges: [...RANGES[one.hasRanges]],
            externalTrafficPolicy: one.external,
            internalTrafficPolicy: one.internal,
            ...(one.affinity === undefined ? {} : { sessionAffinitySeconds: one.affinity }),
            ports: [
              aPort({
                protocol: one.protocol,
                nodePort: 30_000 + index,
                endpoints: one.endpoints.flatMap((host, place) =>
                  [`10.244.1.${host}`, `fd00:244:1::${host}`].map((address) =>
                    anEndpoint({ address, weight: one.weights[place] ?? 1, node: one.isRemote ? 'n2' : 'n1' }),
                  ),
                ),
              }),
            ],
          }),
        );
        const options = optionsFor(family, { masqueradeAll: isMasqueraded });
        const read = { family, podSources: podSourcesOf(options, family) };
        const actual = readIpvs(listingOf(renderRules(plans, options).text), read);
        const [expected] = expectedStates(plans, options);
        expect(expected && compareStates(expected, actual).differences).toEqual([]);
      },
    ),
  );
});

const PLANS = [aPlan({ ports: [aPort({ endpoints: [anEndpoint(), anEndpoint({ address: '10.244.1.2' })] })] })];

test.for([
  { name: 'a real server less', from: /-a .* -r 10\.244\.1\.2:8080.*\n?/g, to: '', what: 'changed', where: 'nat' },
  {
    name: 'another weight',
    from: '-r 10.244.1.2:8080 -m -w 1',
    to: '-r 10.244.1.2:8080 -m -w 3',
    what: 'changed',
    where: 'nat',
  },
  { name: 'clients that stay', from: '-s rr', to: '-s rr -p 300', what: 'changed', where: 'nat' },
])('$name is reported', ({ from, to, what, where }) => {
  const options = optionsFor('IPv4');
  const listing = listingOf(renderRules(PLANS, options).text);
  const damaged = { ...listing, ipvsadm: listing.ipvsadm.replaceAll(from, to) };
  const [expected] = expectedStates(PLANS, options);
  const actual = readIpvs(damaged, { family: 'IPv4', podSources: podSourcesOf(options, 'IPv4') });
  expect(expected && compareStates(expected, actual).differences).toMatchObject([{ service: 'shop/web', what, where }]);
});

test('a real server of weight 0, which only keeps its open connections, is no endpoint', () => {
  const options = optionsFor('IPv4');
  const listing = listingOf(renderRules(PLANS, options).text);
  const draining = `${listing.ipvsadm}\n-a -t 10.96.0.10:80 -r 10.244.1.9:8080 -m -w 0`;
  const [expected] = expectedStates(PLANS, options);
  const read = { family: 'IPv4', podSources: podSourcesOf(options, 'IPv4') } as const;
  const actual = readIpvs({ ...listing, ipvsadm: draining }, read);
  expect(actual.unreadable).toBe(0);
  expect(expected && compareStates(expected, actual).differences).toEqual([]);
});

test('lines of no known form are counted, and stop nothing', () => {
  const ipvsadm =
    '-A -t 10.96.0.1:80 -s rr\n-A -q nonsense\nwhat is this\n-A -f 7 -s rr\n-a -t 10.96.0.1:80 -r 10.244.1.1:8080 -m -w 1\n';
  const state = readIpvs({ ipvsadm, ipset: '', iptables: '*nat\n-X\nCOMMIT\n' }, { family: 'IPv4', podSources: [] });
  expect(state.unreadable).toBe(3);
  expect([...state.frontends.keys()]).toEqual(['tcp 10.96.0.1:80']);
});
