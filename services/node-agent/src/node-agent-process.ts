/** Flags and environment of the node agent as a process of its own, and as `signalbox node-agent`. */
import { hostname } from 'node:os';
import { NODE_AGENT_BACKENDS, type NodeAgentBackend, SignalboxError } from '@signalbox/contracts';
import { type ProcessDefinition, parseListenAddress, settingOption, wholeNumber } from '@signalbox/kit';
import { IPVS_SCHEDULERS, type IpvsScheduler } from '@signalbox/rules';
import type { Command } from 'commander';
import type { ApplierOptions } from './open-applier.ts';

interface Options {
  readonly cluster?: string;
  readonly node: string;
  readonly backend: NodeAgentBackend;
  readonly family: 'both' | 'ipv4' | 'ipv6';
  readonly clusterCidr: readonly string[];
  readonly masqueradeAll?: boolean;
  readonly nodeportAddresses?: readonly string[];
  readonly ipvsScheduler: IpvsScheduler;
  readonly userspaceListen?: readonly string[];
  readonly proxyHealthListen: string;
  readonly maxLag: number;
  readonly fullResync: number;
  readonly takeOver?: boolean;
  readonly cleanup?: boolean;
}

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
      takesOver: options.takeOver ?? false,
    });
  },
};

function addOptions(command: Command): Command {
  const text = (flags: string, description: string, value: string) => settingOption(flags, description).default(value);
  const list = (flags: string, description: string) => settingOption(flags, description).argParser(split);
  const seconds = wholeNumber({ min: 1, max: 604_800 });
  return command
    .addOption(settingOption('--cluster <name>', 'the cluster of this node, as the control plane calls it'))
    .addOption(text('--node <name>', 'name of the Node object', hostname()))
    .addOption(text('--backend <name>', 'what is programmed', 'nftables').choices(NODE_AGENT_BACKENDS))
    .addOption(text('--family <family>', 'address families', 'both').choices(Object.keys(FAMILIES)))
    .addOption(list('--cluster-cidr <cidrs>', 'pod networks, separated by commas').default([], 'none'))
    .addOption(settingOption('--masquerade-all', 'masquerade all traffic to cluster IPs'))
    .addOption(list('--nodeport-addresses <cidrs>', 'node addresses that answer on node ports'))
    .addOption(text('--ipvs-scheduler <name>', 'how IPVS picks an endpoint', 'rr').choices(IPVS_SCHEDULERS))
    .addOption(list('--userspace-listen <addresses>', 'where the userspace backend listens'))
    .addOption(text('--proxy-health-listen <address>', "kube-proxy's /healthz and /livez", '0.0.0.0:10256'))
    .addOption(
      settingOption('--max-lag <seconds>', 'unhealthy when a change waits longer').default(60).argParser(seconds),
    )
    .addOption(
      settingOption('--full-resync <seconds>', 'program everything anew so often').default(3600).argParser(seconds),
    )
    .addOption(settingOption('--take-over', "remove kube-proxy's rules once these are in"))
    .addOption(settingOption('--cleanup', 'remove the rules of the backend, and exit'));
}

function applierOptions(options: Options): ApplierOptions {
  const { node, backend, family, clusterCidr, masqueradeAll, nodeportAddresses, ipvsScheduler, userspaceListen } =
    options;
  return {
    node,
    backend,
    families: FAMILIES[family],
    clusterCIDRs: clusterCidr,
    ipvsScheduler,
    masqueradeAll: masqueradeAll ?? false,
    ...(nodeportAddresses && { nodePortAddresses: nodeportAddresses }),
    ...(userspaceListen && { listenHosts: userspaceListen }),
  };
}

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

const EXAMPLES = `
Examples:
  signalbox node-agent --cluster shop --nats nats://10.0.0.5:4222 --cluster-cidr 10.244.0.0/16
  signalbox node-agent --cluster shop --backend iptables --take-over
  signalbox node-agent --cluster shop --backend userspace --node laptop
  signalbox node-agent --backend nftables --cleanup`;
