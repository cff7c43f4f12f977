import type { LoadBalancerPolicySpec } from '@signalbox/contracts';

/** How target groups of one class may change. Durations in milliseconds. */
export interface DampingPolicy {
  readonly additions: { readonly windowMs: number; readonly maxDelayMs: number };
  readonly flapping: {
    readonly penalty: number;
    readonly halfLifeMs: number;
    readonly suppressAbove: number;
    readonly reuseBelow: number;
    readonly maxSuppressMs: number;
  };
  readonly massRemoval: { readonly minShare: number; readonly timeLimitMs: number; readonly lostClusterMs: number };
  readonly drainMs: number;
  readonly updates: { readonly perSecond: number; readonly burst: number };
  readonly awaitRulesMs: number;
}

/**
 * additions     A rollout makes pods ready one by one: a second gathers those that come together, and five are what a
 *               Service that keeps growing has to wait at most.
 * flapping      Three departures within about a minute are suppressed, for half a minute to five: readiness probes act in
 *               seconds, so the half-life is one minute and not the fifteen that are usual for routes (RFC 2439).
 * massRemoval   Half of the members can carry most Services for a while; a minute is what an API server's restart or a
 *               node controller's mistake takes to be put right. A cluster that is gone for an hour is meant to be gone.
 * drainMs       Kubernetes gives a terminating Pod 30 s. What has drained is taken out with the next update.
 * updates       Far above what one rollout needs, low enough that a cluster's storm leaves a slow load balancer alive.
 * awaitRulesMs  A node programs rules in well under a second; one that takes ten is broken, and must not hold the world.
 */
export const DEFAULT_DAMPING: DampingPolicy = {
  additions: { windowMs: 1_000, maxDelayMs: 5_000 },
  flapping: { penalty: 1_000, halfLifeMs: 60_000, suppressAbove: 2_000, reuseBelow: 750, maxSuppressMs: 300_000 },
  massRemoval: { minShare: 0.5, timeLimitMs: 60_000, lostClusterMs: 3_600_000 },
  drainMs: 30_000,
  updates: { perSecond: 50, burst: 200 },
  awaitRulesMs: 10_000,
};

/** Everything at once, as the cluster says it: what damping is measured against. */
export const NO_DAMPING: DampingPolicy = {
  additions: { windowMs: 0, maxDelayMs: 0 },
  flapping: { ...DEFAULT_DAMPING.flapping, penalty: 0 },
  massRemoval: { minShare: 0, timeLimitMs: 0, lostClusterMs: 0 },
  drainMs: 0,
  updates: { perSecond: 1_000_000, burst: 1_000_000 },
  awaitRulesMs: 0,
};

/** What a policy leaves out has its default; no policy is all defaults. */
export function dampingPolicyOf(spec: LoadBalancerPolicySpec | undefined): DampingPolicy {
  const { additions, flapping, massRemoval, updates, drainMs, awaitRulesMs } = DEFAULT_DAMPING;
  return {
    additions: withDefaults(additions, spec?.additions),
    flapping: withDefaults(flapping, spec?.flapping),
    massRemoval: withDefaults(massRemoval, spec?.massRemoval),
    updates: withDefaults(updates, spec?.updates),
    drainMs: spec?.drainMs ?? drainMs,
    awaitRulesMs: spec?.awaitRulesMs ?? awaitRulesMs,
  };
}

type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

function withDefaults<T extends Record<string, number>>(defaults: T, given: Given<T> | undefined): T {
  const known = Object.entries(given ?? {}).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(known) };
}
