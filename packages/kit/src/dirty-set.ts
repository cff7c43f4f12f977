/** What a change touches, until whoever derives takes it. */
import type { ServiceKey } from '@signalbox/contracts';

export interface DirtySet {
  /** Services whose own object or slices changed, by key text. */
  readonly services: ReadonlyMap<string, ServiceKey>;
  /** Clusters whose nodes changed. */
  readonly nodes: ReadonlySet<string>;
  /** Clusters that appeared, went, or changed what they have synced. */
  readonly clusters: ReadonlySet<string>;
  /** Intents that have documents of their own to derive, by key text. */
  readonly intents: ReadonlyMap<string, ServiceKey>;
}

export function emptyDirtySet() {
  return {
    services: new Map<string, ServiceKey>(),
    nodes: new Set<string>(),
    clusters: new Set<string>(),
    intents: new Map<string, ServiceKey>(),
  };
}
