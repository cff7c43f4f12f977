/** What the join holds of each cluster: its own object, its nodes, and its Services with their slices. Pure state. */
import type { ClusterObject, EndpointSliceObject, NodeObject, ServiceKey, ServiceObject } from '@signalbox/contracts';
import { type ChangeMark, NEVER } from './change-mark.ts';

export interface ServiceEntry {
  readonly key: ServiceKey;
  service: ServiceObject | undefined;
  readonly slices: Map<string, EndpointSliceObject>;
  mark: ChangeMark;
}

export interface ClusterEntry {
  cluster: ClusterObject | undefined;
  mark: ChangeMark;
  readonly nodes: Map<string, NodeObject>;
  sortedNodes: readonly NodeObject[] | undefined;
  nodesMark: ChangeMark;
  readonly services: Map<string, ServiceEntry>;
}

export class JoinedClusters {
  readonly #clusters = new Map<string, ClusterEntry>();

  get(name: string): ClusterEntry | undefined {
    return this.#clusters.get(name);
  }

  names(): string[] {
    return [...this.#clusters.keys()];
  }

  all(): ClusterEntry[] {
    return [...this.#clusters.values()];
  }

  service(key: ServiceKey): ServiceEntry | undefined {
    return this.#clusters.get(key.cluster)?.services.get(serviceText(key));
  }

  services(): ServiceEntry[] {
    return this.all().flatMap(({ services }) => [...services.values()]);
  }

  /** A cluster that was forgotten must not stay in memory for ever: one of which nothing is left goes. */
  edit(name: string, change: (entry: ClusterEntry) => void): void {
    const entry = this.#clusters.get(name) ?? newEntry();
    change(entry);
    if (entry.cluster !== undefined || entry.nodes.size > 0 || entry.services.size > 0) this.#clusters.set(name, entry);
    else this.#clusters.delete(name);
  }

  /** A Service of which neither its object nor a slice is left goes. */
  editService(key: ServiceKey, mark: ChangeMark, change: (entry: ServiceEntry) => void): void {
    this.edit(key.cluster, ({ services }) => {
      const text = serviceText(key);
      const entry = services.get(text) ?? { key, service: undefined, slices: new Map(), mark };
      change(entry);
      entry.mark = mark;
      if (entry.service !== undefined || entry.slices.size > 0) services.set(text, entry);
      else services.delete(text);
    });
  }

  clear(): void {
    this.#clusters.clear();
  }
}

function serviceText({ namespace, name }: ServiceKey): string {
  return `${namespace}/${name}`;
}

function newEntry(): ClusterEntry {
  return {
    cluster: undefined,
    mark: NEVER,
    nodes: new Map(),
    sortedNodes: undefined,
    nodesMark: NEVER,
    services: new Map(),
  };
}
