/** Flags and environment of the node agent as a process of its own, and as `signalbox node-agent`. */
import { hostname } from 'node:os';
import {
  DRIFT_OWNERS,
  type DriftOwner,
  errorText,
  NODE_AGENT_BACKENDS,
  type NodeAgentBackend,
  SignalboxError,
} from '@signalbox/contracts';
import {
  type Logger,
  networkList,
  type ProcessDefinition,
  parseListenAddress,
  settingOption,
  wholeNumber,
} from '@signalbox/kit';
import { type DetectLocal, IPVS_SCHEDULERS, type IpvsScheduler } from '@signalbox/rules';
import type { Command } from 'commander';
import type { ApplierOptions } from './open-applier.ts';

interface Options {
  /** Of every process. */
  readonly nats: string;
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
  readonly proxyHealthListen: string;
  readonly maxLag: number;
  readonly fullResync: number;
  readonly driftInterval: number;
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

export const nodeAgentProcess: ProcessDefinition<Options> = {
  name: 'node-agent',
  description: 'Programs the rules of one node, as kube-proxy does.',
  options: (command) => addOptions(command).addHelpText('after', EXAMPLES),
  instead: async (options, logger) => {
    if (options.cleanup !== true) return false;
    const { openApplier } = await import('./open-applier.ts');
    const applier = openApplier(logger, applierOptions(options));
    await applier.cleanup();
    await applier.close();
    logger.info({ backend: options.backend }, 'rules removed');
    await forgetStatus(options, logger);
    return true;
  },
  start: async (context, options) => {
    const { cluster } = options;
    if (cluster === undefined) throw new SignalboxError('invalid', 'say which cluster this node is of, with --cluster');
    if (options.takeOver === true && options.backend === 'userspace') {
      throw new SignalboxError(
        'invalid',
        '--take-over needs a backend in the kernel: userspace does not answer on service addresses',
      );
    }
    const { startNodeAgent } = await import('./node-agent.ts');
    return await startNodeAgent(context, {
      ...applierOptions(options),
      cluster,
      proxyHealthListen: parseListenAddress(options.proxyHealthListen),
      maxLagMs: options.maxLag * 1000,
      fullResyncMs: options.fullResync * 1000,
      driftIntervalMs: options.driftInterval * 1000,
      takesOver: options.takeOver ?? false,
      ...(options.observe && { observes: options.observe }),
    });
  },
};

/** The rules are gone whether or not the control plane can be told. */
async function forgetStatus({ nats, cluster, node }: Options, logger: Logger): Promise<void> {
  if (cluster === undefined) return;
  const { openJetStreamEventLog } = await import('@signalbox/event-log');
  const { removeNodeStatus } = await import('./node-status.ts');
  try {
    const log = await openJetStreamEventLog({ servers: nats.split(','), name: 'node-agent' });
    await removeNodeStatus(log, cluster, node).finally(() => log.close());
  } catch (error) {
    logger.warn({ reason: errorText(error) }, 'the control plane cannot be told that this node has no rules any more');
  }
}

function addOptions(command: Command): Command {
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
    .addOption(text('--proxy-health-listen <address>', "kube-proxy's /healthz and /livez", '0.0.0.0:10256'))
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
      settingOption('--observe [owner]', 'program nothing: report how far the rules of kube-proxy are off')
        .choices(DRIFT_OWNERS)
        .preset('kube-proxy'),
    )
    .addOption(settingOption('--take-over', "remove kube-proxy's rules once these are in"))
    .addOption(
      settingOption('--cleanup', 'remove the rules of the backend and what the API says of this agent, and exit'),
    );
}

function applierOptions(options: Options): ApplierOptions {
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

function detectLocalOf({ detectLocalMode: mode, podInterface = '' }: Options): DetectLocal {
  if (mode === 'BridgeInterface') return { mode, interfaceName: podInterface };
  return mode === 'InterfaceNamePrefix' ? { mode, prefix: podInterface } : { mode };
}

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

const EXAMPLES = `
Examples:
  signalbox node-agent --cluster shop --nats nats://10.0.0.5:4222 --cluster-cidr 10.244.0.0/16
  signalbox node-agent --cluster shop --backend iptables --take-over
  signalbox node-agent --cluster shop --observe
  signalbox node-agent --cluster shop --backend userspace --node laptop
  signalbox node-agent --backend nftables --cleanup`;
