/** The node agent as a process of its own, and as `signalbox node-agent`. */
import { errorText, SignalboxError } from '@signalbox/contracts';
import { type Logger, natsSettingsOf, type ProcessDefinition } from '@signalbox/kit';
import { type AgentSettings, addAgentOptions, applierOptions } from './node-agent-options.ts';

export const nodeAgentProcess: ProcessDefinition<AgentSettings> = {
  name: 'node-agent',
  description: 'Programs the rules of one node, as kube-proxy does.',
  options: (command) => addAgentOptions(command).addHelpText('after', EXAMPLES),
  instead: async (options, logger) => {
    if (options.cleanup !== true) return false;
    const { openApplier } = await import('./open-applier.ts');
    const applier = openApplier(logger, applierOptions(options));
    await applier.cleanup();
    await applier.close();
    logger.info({ backend: options.backend }, 'cleaned up');
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
      proxyHealthListen: options.proxyHealthListen,
      maxLagMs: options.maxLag * 1000,
      fullResyncMs: options.fullResync * 1000,
      driftIntervalMs: options.driftInterval * 1000,
      lingerLimitMs: options.lingerLimit * 1000,
      lingerTtlMs: options.lingerTtl * 1000,
      takesOver: options.takeOver ?? false,
      ...(options.observe && { observes: options.observe }),
    });
  },
};

/** The rules are gone whether or not the control plane can be told. */
async function forgetStatus(settings: AgentSettings, logger: Logger): Promise<void> {
  const { cluster, node } = settings;
  if (cluster === undefined) return;
  const { openJetStreamEventLog } = await import('@signalbox/event-log');
  const { removeNodeStatus } = await import('./node-status.ts');
  try {
    const connection = { ...natsSettingsOf(settings), name: 'node-agent', managesStreams: false };
    const log = await openJetStreamEventLog(connection);
    try {
      await removeNodeStatus(log, cluster, node);
    } finally {
      await log.close();
    }
  } catch (error) {
    logger.warn({ reason: errorText(error) }, 'the control plane cannot be told that this node has no rules any more');
  }
}

const EXAMPLES = `
Examples:
  signalbox node-agent --cluster shop --nats nats://10.0.0.5:4222 --cluster-cidr 10.244.0.0/16
  signalbox node-agent --cluster shop --backend iptables --take-over
  signalbox node-agent --cluster shop --observe
  signalbox node-agent --cluster shop --backend userspace --node laptop
  signalbox node-agent --backend nftables --cleanup`;
