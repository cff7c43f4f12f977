/** What an agent is started with. */
import { type DriftOwner, SignalboxError } from '@signalbox/contracts';
import type { ListenAddress } from '@signalbox/kit';
import type { LingerPolicy } from '@signalbox/rules';
import type { ApplierOptions } from './open-applier.ts';

export interface NodeAgentOptions extends ApplierOptions {
  readonly cluster: string;
  /** `/healthz` and `/livez`; absent: not served. */
  readonly proxyHealthListen?: ListenAddress;
  /** Where health check node ports listen, instead of where node ports answer. */
  readonly healthCheckAddress?: string | undefined;
  /** Change nothing on this node: compare the rules of this owner with the cluster, and report. */
  readonly observes?: DriftOwner;
  /** Between two comparisons of the kernel with what it should do. Default one minute; 0: none. */
  readonly driftIntervalMs?: number;
  /** Remove kube-proxy's rules once our own are in. */
  readonly takesOver?: boolean;
  /** Default one hour. */
  readonly fullResyncMs?: number;
  /** A change that waits for longer makes the node unhealthy. Default one minute, as in kube-proxy. */
  readonly maxLagMs?: number;
  /**
   * How long an address that is gone stays in the kernel's rules for DNS servers and load balancers that have not
   * acknowledged it. Default half a minute; 0: not at all.
   */
  readonly lingerLimitMs?: number;
  /** And how long after they have: the TTL of records. Default 0. */
  readonly lingerTtlMs?: number;
  /** Between two acknowledgements. Default one second. */
  readonly ackIntervalMs?: number;
}

const LINGER_LIMIT_MS = 30_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** Throws `invalid` for options that contradict each other. */
export function checkOptions({ observes, takesOver, driftIntervalMs }: NodeAgentOptions): void {
  if (observes === undefined) return;
  if (takesOver === true) throw new SignalboxError('invalid', 'who observes a node takes nothing over');
  if (driftIntervalMs === 0) {
    throw new SignalboxError('invalid', 'who observes a node looks at it now and then: the drift interval is 0');
  }
}

/** Who observes programs nothing, and userspace has listeners on this machine's own addresses, not rules. */
export function lingerPolicyOf({ backend, observes, lingerLimitMs, lingerTtlMs }: NodeAgentOptions): LingerPolicy {
  const hasRules = observes === undefined && backend !== 'userspace';
  return { timeLimitMs: hasRules ? (lingerLimitMs ?? LINGER_LIMIT_MS) : 0, ttlMs: lingerTtlMs ?? 0 };
}
