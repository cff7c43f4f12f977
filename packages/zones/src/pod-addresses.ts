/** Which Pods there are, of the clusters that tell. Pure state. */
import type { PodObject } from '@signalbox/contracts';

interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly label: string;
}

interface ClusterPods {
  readonly pods: Map<string, Pod>;
  /** Namespace and label → how many: Pods on the network of one node share its address. */
  readonly counts: Map<string, number>;
}

export class PodAddresses {
  readonly #clusters = new Map<string, ClusterPods>();

  /** Whether anything is known of the cluster's Pods. */
  has(cluster: string): boolean {
    return this.#clusters.has(cluster);
  }

  hasLabel(cluster: string, namespace: string, label: string): boolean {
    return this.#clusters.get(cluster)?.counts.has(`${namespace}/${label}`) === true;
  }

  /** The label that a Pod has from now on; undefined: none. Returns those that it had or has, if they differ. */
  put(cluster: string, { namespace, name, label }: Omit<Pod, 'label'> & { label: string | undefined }): string[] {
    const known = this.#clusters.get(cluster) ?? { pods: new Map<string, Pod>(), counts: new Map<string, number>() };
    const key = `${namespace}/${name}`;
    const before = known.pods.get(key)?.label;
    if (before === label) return [];
    if (before !== undefined) count(known.counts, `${namespace}/${before}`, -1);
    if (label === undefined) known.pods.delete(key);
    else {
      known.pods.set(key, { namespace, name, label });
      count(known.counts, `${namespace}/${label}`, 1);
    }
    if (known.pods.size > 0) this.#clusters.set(cluster, known);
    else this.#clusters.delete(cluster);
    return [before, label].filter((one) => one !== undefined);
  }

  all(): { cluster: string; namespace: string; name: string }[] {
    const ofCluster = ([cluster, { pods }]: [string, ClusterPods]) =>
      [...pods.values()].map(({ namespace, name }) => ({ cluster, namespace, name }));
    return [...this.#clusters].flatMap(ofCluster);
  }
}

/**
 * The label under which CoreDNS knows the Pod: its first address with dashes. Undefined for one that has none, has ended, or
 * is being deleted.
 */
export function podLabel({ metadata, status }: PodObject): string | undefined {
  const hasEnded = ENDED_PHASES.some((phase) => phase === status.phase);
  if (hasEnded || metadata.deletionTimestamp !== undefined || status.podIP === undefined) return undefined;
  return status.podIP === '' ? undefined : status.podIP.replaceAll(/[.:]/g, '-');
}

const ENDED_PHASES = ['Succeeded', 'Failed', 'Unknown'] as const;

function count(counts: Map<string, number>, key: string, step: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + step;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}
