/** Which applier the settings name. */
import { type NodeAgentBackend, SignalboxError } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { IpvsScheduler, RenderOptions } from '@signalbox/rules';
import type { Applier } from './applier.ts';
import { KernelApplier } from './kernel/kernel-applier.ts';
import { removeKubeProxyRules } from './kernel/remove-rules.ts';
import { programRunner } from './kernel/run-program.ts';
import { UserspaceApplier } from './userspace-applier.ts';

export interface ApplierOptions {
  /** Name of the Node object that is this machine. */
  readonly node: string;
  readonly backend: NodeAgentBackend;
  readonly families: RenderOptions['families'];
  readonly clusterCIDRs: readonly string[];
  readonly masqueradeAll?: boolean;
  /** Absent: as the backend of kube-proxy does. */
  readonly nodePortAddresses?: readonly string[];
  readonly ipvsScheduler?: IpvsScheduler;
  /** Userspace only: addresses on which service ports are reached. */
  readonly listenHosts?: readonly string[];
  /** Runs every program: `ip netns exec NAME` programs that network namespace instead of this process's own. */
  readonly commandPrefix?: readonly string[];
}

export function openApplier(logger: Logger, options: ApplierOptions): Applier {
  const { backend, commandPrefix = [], listenHosts } = options;
  const node = { name: options.node, addresses: [] };
  if (backend === 'userspace') return new UserspaceApplier(node, { ...(listenHosts && { listenHosts }) });
  const { families, clusterCIDRs, masqueradeAll = false, nodePortAddresses, ipvsScheduler } = options;
  const rules = {
    node,
    backend,
    families,
    clusterCIDRs,
    masqueradeAll,
    ...(nodePortAddresses && { nodePortAddresses }),
    ...(ipvsScheduler && { ipvsScheduler }),
  };
  return new KernelApplier({ rules, logger, commandPrefix });
}

/** Throws `unavailable` while our own rules are not in. */
export async function takeOver({ backend, commandPrefix }: ApplierOptions): Promise<void> {
  if (backend === 'userspace') {
    throw new SignalboxError(
      'invalid',
      'the userspace backend cannot take over: it does not answer on service addresses',
    );
  }
  await removeKubeProxyRules(programRunner(commandPrefix), backend);
}
