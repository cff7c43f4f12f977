/** What is known of clusters beside the records of their Services: which namespaces and Pods there are. Pure state. */
import { PodAddresses } from './pod-addresses.ts';

export interface PodKey {
  readonly namespace: string;
  readonly name: string;
}

export class NamespacesAndPods {
  readonly #namespaces = new Map<string, Set<string>>();
  readonly #pods = new PodAddresses();

  /** Says whether that is news. */
  setNamespace(cluster: string, namespace: string, exists: boolean): boolean {
    const known = this.#namespaces.get(cluster) ?? new Set<string>();
    if (known.has(namespace) === exists) return false;
    if (exists) known.add(namespace);
    else known.delete(namespace);
    this.#namespaces.set(cluster, known);
    if (known.size === 0) this.#namespaces.delete(cluster);
    return true;
  }

  hasNamespace(cluster: string, namespace: string): boolean {
    return this.#namespaces.get(cluster)?.has(namespace) === true;
  }

  namespaces(): { cluster: string; namespace: string }[] {
    return [...this.#namespaces].flatMap(([cluster, known]) => [...known].map((namespace) => ({ cluster, namespace })));
  }

  /**
   * `labels`: those whose names have changed with it. `isFirstOrLast`: whether anything is known of the cluster's Pods has
   * changed, and with it who decides what is a Pod's name.
   */
  setPod(
    cluster: string,
    { namespace, name }: PodKey,
    label: string | undefined,
  ): { readonly labels: readonly string[]; readonly isFirstOrLast: boolean } {
    const wasKnown = this.#pods.has(cluster);
    const labels = this.#pods.put(cluster, { namespace, name, label });
    return { labels, isFirstOrLast: this.#pods.has(cluster) !== wasKnown };
  }

  /** Undefined where nothing is known of the cluster's Pods. */
  hasPod(cluster: string, namespace: string, label: string): boolean | undefined {
    return this.#pods.has(cluster) ? this.#pods.hasLabel(cluster, namespace, label) : undefined;
  }

  pods(): (PodKey & { cluster: string; label: string })[] {
    return this.#pods.all();
  }
}
