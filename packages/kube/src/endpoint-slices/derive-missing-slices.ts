/** Slices for every Service that selects Pods and has no slice of its own, without comparing every Service to every Pod. */
import type { EndpointSliceObject, NodeObject, ServiceObject } from '@signalbox/contracts';
import { serviceNameOfSlice } from '@signalbox/contracts';
import { type DerivedEndpointSlices, deriveEndpointSlices, hasSelector } from './derive-endpoint-slices.ts';
import type { PodObject } from './pod.ts';

export interface DeriveMissingSlicesInput {
  readonly services: readonly ServiceObject[];
  readonly slices: readonly EndpointSliceObject[];
  readonly pods: readonly PodObject[];
  readonly nodes: readonly NodeObject[];
}

export interface MissingSlices {
  readonly slices: readonly EndpointSliceObject[];
  /** Each Pod once, with the first Service that lost it. */
  readonly podsWithoutNode: ReadonlyMap<PodObject, ServiceObject>;
}

/**
 * Derives again only where a Service, one of its Pods or any Node is another object than last time, and gives the very
 * same slices otherwise. Equal inputs give equal results, whatever came before.
 */
export class MissingSlicesDeriver {
  #derived = new Map<ServiceObject, Derived>();
  #nodes: readonly NodeObject[] = [];

  /** A Service with any slice, hand-made or dumped, keeps exactly those: a mixture would count endpoints twice. */
  derive({ services, slices, pods, nodes }: DeriveMissingSlicesInput): MissingSlices {
    const withSlices = new Set(slices.map((slice) => keyOf(slice.metadata.namespace, serviceNameOfSlice(slice) ?? '')));
    const lacking = services.filter(
      (service) => hasSelector(service) && !withSlices.has(keyOf(service.metadata.namespace, service.metadata.name)),
    );
    const index = indexPods(pods, new Set(lacking.flatMap(({ spec }) => Object.keys(spec.selector ?? {}))));
    const known = isSameList(nodes, this.#nodes) ? this.#derived : new Map<ServiceObject, Derived>();
    const nodesByName = new Map(nodes.map((node) => [node.metadata.name, node]));
    const derived = new Map<ServiceObject, Derived>();
    for (const service of lacking) {
      const candidates = candidatesOf(service, index);
      const before = known.get(service);
      const isKnown = before !== undefined && isSameList(before.candidates, candidates);
      const now = isKnown
        ? before
        : { candidates, ...deriveEndpointSlices({ service, pods: candidates, nodes: nodesByName }) };
      derived.set(service, now);
    }
    this.#derived = derived;
    this.#nodes = nodes;
    return summaryOf(derived);
  }
}

interface Derived extends DerivedEndpointSlices {
  readonly candidates: readonly PodObject[];
}

function summaryOf(derived: ReadonlyMap<ServiceObject, Derived>): MissingSlices {
  const podsWithoutNode = new Map<PodObject, ServiceObject>();
  for (const [service, { podsWithoutNode: pods }] of derived) {
    for (const pod of pods) if (!podsWithoutNode.has(pod)) podsWithoutNode.set(pod, service);
  }
  return { slices: [...derived.values()].flatMap(({ slices }) => slices), podsWithoutNode };
}

type PodIndex = ReadonlyMap<string, readonly PodObject[]>;

/** By namespace, label and value; only labels that some Service selects by. */
function indexPods(pods: readonly PodObject[], labels: ReadonlySet<string>): PodIndex {
  const index = new Map<string, PodObject[]>();
  for (const pod of pods) {
    for (const label of labels) {
      const value = pod.metadata.labels[label];
      if (value === undefined) continue;
      const key = keyOf(pod.metadata.namespace, label, value);
      const known = index.get(key);
      if (known === undefined) index.set(key, [pod]);
      else known.push(pod);
    }
  }
  return index;
}

/** Pods that carry the selector's rarest label: few, and every match is among them. */
function candidatesOf({ metadata, spec }: ServiceObject, index: PodIndex): readonly PodObject[] {
  const lists = Object.entries(spec.selector ?? {}).map(
    ([label, value]) => index.get(keyOf(metadata.namespace, label, value)) ?? [],
  );
  return lists.reduce((fewest, list) => (list.length < fewest.length ? list : fewest));
}

function isSameList(a: readonly object[], b: readonly object[]): boolean {
  return a.length === b.length && a.every((element, i) => element === b[i]);
}

/** None of the parts can hold a line break. */
function keyOf(...parts: readonly string[]): string {
  return parts.join('\n');
}
