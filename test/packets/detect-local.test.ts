/** How traffic of pods is told from other traffic, in every mode of kube-proxy's --detect-local-mode, shown by packets. */
import { type DetectLocal, NodeRules, type RulesNode } from '@signalbox/rules';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { NetworkLab, type Probe } from './network-lab.ts';
import { describeWithPrograms } from './requirements.ts';

const [SERVICE, OUTSIDE, CLIENT, NODE_ADDRESS] = ['10.96.0.1', '192.0.2.10', '10.244.2.100', '10.240.0.1'];
const [HERE, ELSEWHERE, GATEWAY] = ['10.244.1.11', '10.244.1.12', '10.244.1.1'];
const NODE_PORT = 30_080;
/** Only the client's network is a pod network of this node. */
const NODE: RulesNode = { name: 'n1', addresses: [NODE_ADDRESS], podCIDRs: ['10.244.2.0/24'] };

const PLAN = aPlan({
  clusterIPs: [SERVICE],
  externalTrafficPolicy: 'Local',
  ports: [
    aPort({
      nodePort: NODE_PORT,
      endpoints: [anEndpoint({ address: HERE }), anEndpoint({ address: ELSEWHERE, node: 'n2' })],
    }),
  ],
});

interface Mode {
  readonly detectLocal: DetectLocal;
  /** For `ClusterCIDR`. */
  readonly clusterCIDRs?: readonly string[];
}

/** The client comes in by the node's interface `client`, which is a port of the bridge `cni0`. */
const MODES: readonly Mode[] = [
  { detectLocal: { mode: 'ClusterCIDR' }, clusterCIDRs: ['10.244.0.0/16'] },
  { detectLocal: { mode: 'NodeCIDR' } },
  { detectLocal: { mode: 'BridgeInterface', interfaceName: 'cni0' } },
  { detectLocal: { mode: 'InterfaceNamePrefix', prefix: 'cni' } },
];

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = backend === 'nftables' ? ['ip', 'nft'] : ['ip', 'iptables-restore', 'iptables-save'];
  describeWithPrograms(`pods told from others by ${backend}`, programs, () => {
    const lab = new NetworkLab(`local-${backend}`);
    beforeAll(async () => {
      await lab.open();
      putClientBehindBridge(lab);
    });
    afterAll(() => lab.close());

    const load = ({ detectLocal, clusterCIDRs = [] }: Mode): void => {
      const rules = new NodeRules({ node: NODE, backend, families: ['IPv4'], clusterCIDRs, detectLocal });
      for (const { program, args, input } of rules.reset([PLAN]).steps) lab.run('node', [program, ...args], input);
    };
    const seen = async (probe: Omit<Probe, 'protocol'>) => {
      const { endpoints, sources } = await lab.probe({ protocol: 'tcp', ...probe });
      return { endpoints, sources };
    };
    const both = [HERE, ELSEWHERE];

    test.for(MODES)('$detectLocal.mode', async (mode) => {
      load(mode);
      const toService = { host: SERVICE, port: 80 };
      const toNodePort = { host: NODE_ADDRESS, port: NODE_PORT };
      // A pod keeps its address, others are masqueraded: their answers might go another way.
      expect(await seen({ from: 'client', ...toService })).toEqual({ endpoints: both, sources: [CLIENT] });
      expect(await seen({ from: 'outside', source: OUTSIDE, ...toService })).toEqual({
        endpoints: both,
        sources: [GATEWAY],
      });
      expect(await seen({ from: 'node', ...toService })).toEqual({ endpoints: both, sources: [GATEWAY] });
      // Under a Local policy a pod is served from everywhere, others by endpoints of the node.
      expect((await seen({ from: 'client', ...toNodePort })).endpoints).toEqual(both);
      expect(await seen({ from: 'outside', source: OUTSIDE, ...toNodePort })).toEqual({
        endpoints: [HERE],
        sources: [OUTSIDE],
      });
    });

    test('with an interface that traffic does not come by, it is not from pods', async () => {
      load({ detectLocal: { mode: 'BridgeInterface', interfaceName: 'cni1' } });
      expect((await seen({ from: 'client', host: SERVICE, port: 80 })).sources).toEqual([GATEWAY]);
    });

    test('where nothing is known of pods, nothing is masqueraded that has to be', async () => {
      load({ detectLocal: { mode: 'ClusterCIDR' } });
      expect((await seen({ from: 'outside', source: OUTSIDE, host: SERVICE, port: 80 })).sources).toEqual([OUTSIDE]);
    });
  });
}

function putClientBehindBridge(lab: NetworkLab): void {
  const commands = [
    'ip link add cni0 type bridge',
    'ip link set cni0 up',
    'ip link set client master cni0',
    'ip addr del 10.244.2.1/24 dev client',
    'ip addr add 10.244.2.1/24 dev cni0',
  ];
  for (const command of commands) lab.run('node', command.split(' '));
}
