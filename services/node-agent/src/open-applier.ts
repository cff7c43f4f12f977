/** Which applier the settings name. */
import { type NodeAgentBackend, SignalboxError } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { DetectLocal, IpvsScheduler, RenderOptions } from '@signalbox/rules';
import type { Applier } from './applier.ts';
import { KernelApplier } from './kernel/kernel-applier.ts';
import { removeKubeProxyRules } from './kernel/remove-rules.ts';
import { type NoteProcess, programRunner } from './kernel/run-program.ts';
import { ObservingApplier } from './observing-applier.ts';
import { UserspaceApplier } from './userspace-applier.ts';

export interface ApplierOptions {
  /** Name of the Node object that is this machine. */
  readonly node: string;
  readonly backend: NodeAgentBackend;
  readonly families: RenderOptions['families'];
  readonly clusterCIDRs: readonly string[];
  /** `ClusterCIDR` when absent. */
  readonly detectLocal?: DetectLocal;
  readonly serviceCIDRs?: readonly string[];
  readonly masqueradeAll?: boolean;
  /** Absent: as the backend of kube-proxy does. */
  readonly nodePortAddresses?: readonly string[];
  readonly ipvsScheduler?: IpvsScheduler;
  /** Userspace only: addresses on which service ports are reached. */
  readonly listenHosts?: readonly string[];
  /** Runs every program: `ip netns exec NAME` programs that network namespace instead of this process's own. */
  readonly commandPrefix?: readonly string[];
  /** Program nothing: what the kernel should do is only compared with what it does. */
  readonly isObserving?: boolean;
}

/** `noteProcess` is told of each process that programs something. Throws `invalid` for options that cannot be followed. */
export function openApplier(logger: Logger, options: ApplierOptions, noteProcess: NoteProcess = () => {}): Applier {
  const { backend, commandPrefix = [], listenHosts, isObserving = false } = options;
  if (backend === 'userspace') {
    if (isObserving) throw new SignalboxError('invalid', 'the userspace backend has no rules in the kernel to observe');
    return new UserspaceApplier({ name: options.node, addresses: [] }, logger, { ...(listenHosts && { listenHosts }) });
  }
  const rules = renderOptions(options, backend);
  if (isObserving) return new ObservingApplier(rules);
  return new KernelApplier({ rules, logger, commandPrefix, noteProcess });
}

function renderOptions(options: ApplierOptions, backend: RenderOptions['backend']): RenderOptions {
  const { families, clusterCIDRs, masqueradeAll = false } = options;
  const { detectLocal, serviceCIDRs, nodePortAddresses, ipvsScheduler } = options;
  return {
    node: { name: options.node, addresses: [] },
    backend,
    families,
    clusterCIDRs,
    masqueradeAll,
    ...(detectLocal && { detectLocal }),
    ...(serviceCIDRs && { serviceCIDRs }),
    ...(nodePortAddresses && { nodePortAddresses }),
    ...(ipvsScheduler && { ipvsScheduler }),
  };
}

/** Throws `unavailable` while our own rules are not in. */
export async function takeOver({ backend, families, commandPrefix }: ApplierOptions): Promise<void> {
  if (backend === 'userspace') {
    throw new SignalboxError(
      'invalid',
      'the userspace backend cannot take over: it does not answer on service addresses',
    );
  }
  await removeKubeProxyRules(programRunner(commandPrefix), { backend, families });
}
