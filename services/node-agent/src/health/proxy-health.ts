/** What kube-proxy's `/healthz` and `/livez` say (KEP-3836), from the same facts: what waits, and what the Node object says. */
import type { NodeObject } from '@signalbox/contracts';

/** The cluster autoscaler puts this on a node that it is about to remove. */
const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';

export interface ProxyHealthSource {
  /** Since when the oldest change waits to be applied; undefined when none does. Also undefined while starting. */
  readonly queuedSinceMs: () => number | undefined;
  readonly appliedAtMs: () => number | null;
}

export interface ProxyHealthState {
  /** The node keeps up: `/livez`. */
  readonly isLive: boolean;
  /** And load balancers may send it new connections: `/healthz`. */
  readonly isHealthy: boolean;
  readonly isNodeEligible: boolean;
  readonly lastUpdatedMs: number;
}

export class ProxyHealth {
  readonly #source: ProxyHealthSource;
  readonly #maxLagMs: number;
  readonly #startedMs = Date.now();
  #isNodeEligible = true;

  constructor(source: ProxyHealthSource, maxLagMs: number) {
    this.#source = source;
    this.#maxLagMs = maxLagMs;
  }

  /** Undefined: the node is gone. */
  setNode(node: NodeObject | undefined): void {
    const isTainted = node?.spec.taints?.some(({ key }) => key === TO_BE_DELETED_TAINT) ?? false;
    this.#isNodeEligible = node !== undefined && node.metadata.deletionTimestamp === undefined && !isTainted;
  }

  get state(): ProxyHealthState {
    const queuedSinceMs = this.#source.queuedSinceMs();
    const isLive = queuedSinceMs === undefined || Date.now() - queuedSinceMs <= this.#maxLagMs;
    const lastUpdatedMs = isLive ? Date.now() : (this.#source.appliedAtMs() ?? this.#startedMs);
    return { isLive, isNodeEligible: this.#isNodeEligible, isHealthy: isLive && this.#isNodeEligible, lastUpdatedMs };
  }
}
