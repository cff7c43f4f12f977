/** Flags and environment of the node agent. */
import { hostname } from 'node:os';
import { DRIFT_OWNERS, type DriftOwner, NODE_AGENT_BACKENDS, type NodeAgentBackend } from '@signalbox/contracts';
import {
  type ListenAddress,
  listenOption,
  type NatsFlags,
  networkList,
  settingOption,
  wholeNumber,
} from '@signalbox/kit';
import { type DetectLocal, IPVS_SCHEDULERS, type IpvsScheduler } from '@signalbox/rules';
import type { Command } from 'commander';
import type { ApplierOptions } from './open-applier.ts';

export interface AgentSettings extends NatsFlags {
  readonly cluster?: string;
  readonly node: string;
  readonly backend: NodeAgentBackend;
  readonly family: 'both' | 'ipv4' | 'ipv6';
  readonly clusterCidr: readonly string[];
  readonly serviceCidr: readonly string[];
  readonly detectLocalMode: DetectLocal['mode'];
  readonly podInterface?: string;
  readonly masqueradeAll?: boolean;
  readonly nodePortAddresses?: readonly string[];
  readonly ipvsScheduler: IpvsScheduler;
  readonly userspaceListen?: readonly string[];
  readonly proxyHealthListen: ListenAddress;
  readonly maxLag: number;
  readonly fullResync: number;
  readonly driftInterval: number;
  readonly lingerLimit: number;
  readonly lingerTtl: number;
  readonly observe?: DriftOwner;
  readonly takeOver?: boolean;
  readonly cleanup?: boolean;
}

const DETECT_LOCAL_MODES: readonly DetectLocal['mode'][] = [
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
];
const FAMILIES = { both: ['IPv4', 'IPv6'], ipv4: ['IPv4'], ipv6: ['IPv6'] } as const;

export function addAgentOptions(command: Command): Command {
  const text = (flags: string, description: string, value: string) => settingOption(flags, description).default(value);
  const list = (flags: string, description: string) => settingOption(flags, description).argParser(split);
  const networks = (flags: string, description: string) =>
    settingOption(flags, description).argParser(networkList).default([], 'none');
  const seconds = wholeNumber({ min: 1, max: 604_800 });
  const secondsOrNever = wholeNumber({ min: 0, max: 604_800 });
  return command
    .addOption(settingOption('--cluster <name>', 'the cluster of this node, as the control plane calls it'))
    .addOption(text('--node <name>', 'name of the Node object', hostname()))
    .addOption(text('--backend <name>', 'what is programmed', 'nftables').choices(NODE_AGENT_BACKENDS))
    .addOption(text('--family <family>', 'address families', 'both').choices(Object.keys(FAMILIES)))
    .addOption(networks('--cluster-cidr <cidrs>', 'pod networks, separated by commas'))
    .addOption(networks('--service-cidr <cidrs>', 'service networks, separated by commas'))
    .addOption(
      text('--detect-local-mode <mode>', 'how traffic of pods is known', 'ClusterCIDR').choices(DETECT_LOCAL_MODES),
    )
    .addOption(settingOption('--pod-interface <name>', 'bridge, or prefix of interface names, of pods'))
    .addOption(settingOption('--masquerade-all', 'masquerade all traffic to cluster IPs'))
    .addOption(list('--node-port-addresses <cidrs>', 'CIDRs, or "primary", separated by commas'))
    .addOption(text('--ipvs-scheduler <name>', 'how IPVS picks an endpoint', 'rr').choices(IPVS_SCHEDULERS))
    .addOption(list('--userspace-listen <addresses>', 'where the userspace backend listens'))
    .addOption(listenOption('--proxy-health-listen <address>', "kube-proxy's /healthz and /livez", '0.0.0.0:10256'))
    .addOption(
      settingOption('--max-lag <seconds>', 'unhealthy when a change waits longer').default(60).argParser(seconds),
    )
    .addOption(
      settingOption('--full-resync <seconds>', 'program everything anew so often').default(3600).argParser(seconds),
    )
    .addOption(
      settingOption('--drift-interval <seconds>', 'compare the kernel with what was programmed so often; 0: never')
        .default(60)
        .argParser(secondsOrNever),
    )
    .addOption(
      settingOption(
        '--linger-limit <seconds>',
        'keep an address that is gone so long for DNS and load balancers; 0: not',
      )
        .default(30)
        .argParser(secondsOrNever),
    )
    .addOption(
      settingOption('--linger-ttl <seconds>', 'and so long after they have acknowledged: the TTL of records')
        .default(0)
        .argParser(secondsOrNever),
    )
    .addOption(
      settingOption('--observe [owner]', 'program nothing: report how far the rules of kube-proxy are off')
        .choices(DRIFT_OWNERS)
        .preset('kube-proxy'),
    )
    .addOption(settingOption('--take-over', "remove kube-proxy's rules once these are in"))
    .addOption(
      settingOption('--cleanup', 'remove the rules of the backend and what the API says of this agent, and exit'),
    );
}

export function applierOptions(options: AgentSettings): ApplierOptions {
  const { node, backend, family, masqueradeAll, nodePortAddresses, ipvsScheduler, userspaceListen } = options;
  return {
    node,
    backend,
    families: FAMILIES[family],
    clusterCIDRs: options.clusterCidr,
    serviceCIDRs: options.serviceCidr,
    detectLocal: detectLocalOf(options),
    ipvsScheduler,
    masqueradeAll: masqueradeAll ?? false,
    ...(nodePortAddresses && { nodePortAddresses }),
    ...(userspaceListen && { listenHosts: userspaceListen }),
    isObserving: options.observe !== undefined,
  };
}

function detectLocalOf({ detectLocalMode: mode, podInterface = '' }: AgentSettings): DetectLocal {
  if (mode === 'BridgeInterface') return { mode, interfaceName: podInterface };
  return mode === 'InterfaceNamePrefix' ? { mode, prefix: podInterface } : { mode };
}

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}
