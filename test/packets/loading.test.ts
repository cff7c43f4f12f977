/** Rendered text in the hands of the programs it is for, in a network namespace that lives as long as one command. */
import { spawnSync } from 'node:child_process';
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { type DetectLocal, NodeRules, type RenderOptions, renderRules } from '@signalbox/rules';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { RECORDED_CLUSTER_CIDRS, recordedNode, recordedPlans } from './recorded-cluster.ts';
import { describeWithPrograms } from './requirements.ts';

const NODE = { name: 'n1', addresses: ['10.240.0.1'] };

function render(plans: readonly ProxyPlan[], backend: RenderOptions['backend'], families: RenderOptions['families']) {
  return renderRules(plans, { node: NODE, backend, families, clusterCIDRs: RECORDED_CLUSTER_CIDRS }).text;
}

/** All of a plan's rules as a change of a node without any. */
function renderAsUpdate(
  plans: readonly ProxyPlan[],
  backend: RenderOptions['backend'],
  families: RenderOptions['families'],
) {
  const rules = new NodeRules({ node: NODE, backend, families, clusterCIDRs: RECORDED_CLUSTER_CIDRS });
  const { steps } = rules.update(plans.map((plan) => ({ key: plan, plan })));
  return [render([], backend, families), ...steps.map(({ input }) => input)].join('\n');
}

const RENDERERS = { 'all at once': render, 'as an update': renderAsUpdate } as const;

const DETECT_LOCAL: readonly DetectLocal[] = [
  { mode: 'NodeCIDR' },
  { mode: 'BridgeInterface', interfaceName: 'cni0' },
  { mode: 'InterfaceNamePrefix', prefix: 'veth' },
];

function renderWith(detectLocal: DetectLocal, backend: RenderOptions['backend'], families: RenderOptions['families']) {
  const node = { ...NODE, podCIDRs: ['10.244.1.0/24', '10.245.1.0/24', 'fd00:244:1::/64'] };
  const more = { serviceCIDRs: ['10.96.0.0/16', 'fd00:96::/64'], nodePortAddresses: ['primary', '192.0.2.0/24'] };
  return renderRules(recordedPlans(), { node, backend, families, clusterCIDRs: [], detectLocal, ...more }).text;
}

/** Output of a shell script in a fresh network namespace, with the text as its standard input. */
function inNamespace(script: string, text: string): string {
  const options = { input: text, encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-ec', script], options);
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr.slice(0, 2000)}`);
  return stdout;
}

describeWithPrograms('nft', ['unshare', 'nft'], () => {
  const text = renderRules(recordedPlans(), {
    node: recordedNode('node-a'),
    backend: 'nftables',
    families: ['IPv4', 'IPv6'],
    clusterCIDRs: RECORDED_CLUSTER_CIDRS,
  }).text;

  test('accepts the rules of the recorded cluster', () => {
    expect(inNamespace('nft -c -f -', text)).toBe('');
  });

  test('has the same rules after loading them twice', () => {
    const script =
      'cat >"$0.nft"; nft -f "$0.nft"; nft list ruleset; echo ====; nft -f "$0.nft"; nft list ruleset; rm "$0.nft"';
    const [once, twice] = inNamespace(script.replaceAll('$0', '/tmp/signalbox-$$'), text).split('====\n');
    expect(once).toContain('table ip6 signalbox');
    expect(twice).toBe(once);
  });

  test('keeps nothing of services that are gone', () => {
    const script = 'cat >"$0.nft"; nft -f "$0.nft"; nft list ruleset; rm "$0.nft"'.replaceAll(
      '$0',
      '/tmp/signalbox-$$',
    );
    const listed = inNamespace(script, `${text}\n${render([aPlan()], 'nftables', ['IPv4', 'IPv6'])}`);
    expect(addressesIn(listed, 'service-ips')).toEqual(['10.96.0.10 . tcp . 80']);
    expect(listed).not.toContain('10.244.1.11 . 8080');
  });

  test.for(DETECT_LOCAL)('accepts pods told by $mode', (detectLocal) => {
    expect(inNamespace('nft -c -f -', renderWith(detectLocal, 'nftables', ['IPv4', 'IPv6']))).toBe('');
  });

  test.for(['all at once', 'as an update'] as const)(
    'lists exactly the services, rendered %s, whatever the objects hold',
    { timeout: 60_000 },
    (how) => {
      fc.assert(
        fc.property(fc.array(hostilePlanParts, { maxLength: 6 }), (parts) => {
          const plans = parts.map(planOf);
          const listed = inNamespace(
            'nft -f - && nft list ruleset',
            RENDERERS[how](plans, 'nftables', ['IPv4', 'IPv6']),
          );
          expect(listed.match(/^table .*$/gm)).toEqual(['table ip signalbox {', 'table ip6 signalbox {']);
          const keys = [...addressesIn(listed, 'service-ips'), ...addressesIn(listed, 'service-verdicts')];
          expect(keys.sort()).toEqual(plans.map((plan) => `${plan.clusterIPs[0]} . tcp . 80`).sort());
          for (const chain of listed.matchAll(/^\tchain (.*) \{$/gm)) expect(chain[1]).toMatch(/^[a-z0-9-]{1,60}$/);
        }),
        { numRuns: 40 },
      );
    },
  );
});

describeWithPrograms('iptables-restore', ['unshare', 'iptables-restore', 'ip6tables-restore', 'iptables-save'], () => {
  test.for([
    { family: 'IPv4', program: 'iptables-restore' },
    { family: 'IPv6', program: 'ip6tables-restore' },
  ] as const)('accepts the rules of the recorded cluster: $family', ({ family, program }) => {
    const text = render(recordedPlans(), 'iptables', [family]);
    expect(inNamespace(`${program} --noflush --test`, text)).toBe('');
  });

  test.for(DETECT_LOCAL)('accepts pods told by $mode', (detectLocal) => {
    expect(inNamespace('iptables-restore --noflush --test', renderWith(detectLocal, 'iptables', ['IPv4']))).toBe('');
    expect(inNamespace('ip6tables-restore --noflush --test', renderWith(detectLocal, 'iptables', ['IPv6']))).toBe('');
  });

  test.for(['all at once', 'as an update'] as const)(
    'lists exactly the services, rendered %s, whatever the objects hold',
    { timeout: 60_000 },
    (how) => {
      fc.assert(
        fc.property(fc.array(hostilePlanParts, { maxLength: 6 }), (parts) => {
          const plans = parts.map(planOf);
          const saved = inNamespace(
            'iptables-restore --noflush && iptables-save',
            RENDERERS[how](plans, 'iptables', ['IPv4']),
          );
          const addresses = [...saved.matchAll(/^-A KUBE-SERVICES -d (10\.96\S+)\/32 .*--dport 80 /gm)].map(
            ([, address]) => address,
          );
          expect(new Set(addresses)).toEqual(new Set(plans.map((plan) => plan.clusterIPs[0])));
          for (const [, chain] of saved.matchAll(/^:(\S+)/gm)) {
            expect(chain).toMatch(/^(INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING|KUBE-[A-Z0-9-]{1,23})$/);
          }
        }),
        { numRuns: 30 },
      );
    },
  );
});

test('an IPVS script holds commands of known form only, whatever the objects hold', () => {
  const commands = [
    /^(#.*|set -eu|modprobe .*|sysctl -qw [a-z0-9._]+=\d|ip link .*|ip -[46] addr flush dev kube-ipvs0|)$/,
    /^ipvsadm --save --numeric \| sed -n 's[^']+' \| ipvsadm --restore$/,
    /^(ip -batch -|ipset -exist restore|ip6?tables-restore --noflush|ipvsadm --restore) <<'SIGNALBOX_END'$/,
    /^SIGNALBOX_END$/,
    /^addr add [0-9a-f.:]+\/(32|128) dev kube-ipvs0( nodad)?$/,
    /^(create KUBE-[A-Z0-9-]+ hash:[a-z,]+ family inet6? maxelem \d+|flush KUBE-[A-Z0-9-]+|add KUBE-[A-Z0-9-]+ [0-9a-z.:,/]+)$/,
    /^(\*(filter|nat)|COMMIT|:KUBE-[A-Z-]+ - \[0:0\]|-[AI] [A-Z-]+ [A-Za-z0-9 !,./:-]+)$/,
    /^-[Aa] (-t|-u|--sctp-service) \S+ (-s rr( -p \d+)?|-r \S+ -m -w \d+)$/,
  ];
  fc.assert(
    fc.property(fc.array(hostilePlanParts, { maxLength: 6 }), (parts) => {
      for (const line of render(parts.map(planOf), 'ipvs', ['IPv4']).split('\n')) {
        expect(commands.some((command) => command.test(line)) ? 'known' : line).toBe('known');
      }
    }),
  );
});

/** Keys of one map as nft lists them. */
function addressesIn(listed: string, map: string): string[] {
  const ipv4 = listed.split('table ip6')[0] ?? '';
  const block = new RegExp(`\\tmap ${map} \\{\\n([\\s\\S]*?)\\n\\t\\}`).exec(ipv4)?.[1] ?? '';
  return [...block.matchAll(/(\S+ \. (?:tcp|udp|sctp) \. \d+)/g)].map(([, key]) => key ?? '');
}

const hostileText = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.constantFrom(
    '"; flush ruleset; #',
    '" }\nadd table ip evil\n',
    '} ; add table inet evil',
    '-j ACCEPT" -j ACCEPT',
    'COMMIT\n*filter\n:EVIL - [0:0]',
    "'\nSIGNALBOX_END\nreboot\n",
    '$(reboot) `reboot` \\',
    '10.0.0.1, 10.0.0.2 : drop',
    '10.0.0.1/0',
    '::1%x',
    '\u0000\u2028\u{1f600}',
  ),
);
const hostileNumber = fc.constantFrom(0, -1, 0.5, 65_536, 1e21, Number.NaN, Number.POSITIVE_INFINITY);

const hostileEndpoint = fc.record({ address: hostileText, node: hostileText, zone: hostileText });
const hostilePlanParts = fc.record({
  text: hostileText,
  addresses: fc.array(hostileText, { maxLength: 3 }),
  number: hostileNumber,
  endpoints: fc.array(hostileEndpoint, { maxLength: 3 }),
  hasEndpoint: fc.boolean(),
  isSticky: fc.boolean(),
  isLocal: fc.boolean(),
});
type HostileParts = typeof hostilePlanParts extends fc.Arbitrary<infer Parts> ? Parts : never;

/** A plan with one good service port, on a cluster IP of its own, among everything that could go wrong. */
function planOf(parts: HostileParts, index: number): ProxyPlan {
  const { text, addresses, number } = parts;
  const bad: PlanEndpoint[] = parts.endpoints.map((endpoint) => anEndpoint({ ...endpoint, family: 'IPv4' }));
  const good = parts.hasEndpoint ? [anEndpoint({ weight: number })] : [];
  const policy = parts.isLocal ? 'Local' : 'Cluster';
  return aPlan({
    cluster: text,
    namespace: text,
    name: `${index}${text}`,
    clusterIPs: [`10.96.0.${index + 1}`, ...addresses],
    externalIPs: addresses,
    loadBalancerVIPs: addresses,
    loadBalancerSourceRanges: addresses,
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    trafficDistribution: text,
    healthCheckNodePort: number,
    ...(parts.isSticky ? { sessionAffinitySeconds: number } : {}),
    ports: [
      aPort({ name: text, appProtocol: text, endpoints: [...bad, ...good] }),
      aPort({ name: `${text}-bad`, port: number, nodePort: number, endpoints: good }),
    ],
  });
}
