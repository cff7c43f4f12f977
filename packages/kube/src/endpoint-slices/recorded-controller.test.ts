/** The recorded cluster holds Pods and what the real controller of Kubernetes 1.36 made of them. */
import { readFileSync } from 'node:fs';
import {
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  nodeObjectSchema,
  serviceNameOfSlice,
  serviceObjectSchema,
} from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { DERIVED_SLICES_MANAGER } from './derive-endpoint-slices.ts';
import { MissingSlicesDeriver } from './derive-missing-slices.ts';
import { podObjectSchema } from './pod.ts';

const CONTROLLER = 'endpointslice-controller.k8s.io';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';

const recorded = recordedList('endpointslices', 'EndpointSlice', endpointSliceObjectSchema);
const madeByController = recorded.filter((slice) => slice.metadata.labels?.[MANAGED_BY] === CONTROLLER);
const madeByHand = recorded.filter((slice) => !madeByController.includes(slice));
const derived = new MissingSlicesDeriver().derive({
  services: recordedList('services', 'Service', serviceObjectSchema),
  slices: madeByHand,
  pods: recordedList('pods', 'Pod', podObjectSchema),
  nodes: recordedList('nodes', 'Node', nodeObjectSchema),
});

describe('against the recorded controller', () => {
  test('the same Services have slices, of the same families and ports', () => {
    expect(madeByController.length).toBe(38);
    expect([...endpointsByGroup(derived.slices).keys()].sort()).toEqual(
      [...endpointsByGroup(madeByController).keys()].sort(),
    );
  });

  test('every group holds the same endpoints: addresses, conditions, node, zone, hostname, hints, Pod', () => {
    const ours = endpointsByGroup(derived.slices);
    for (const [group, endpoints] of endpointsByGroup(madeByController)) {
      expect({ group, endpoints: ours.get(group) }).toEqual({ group, endpoints });
    }
  });

  test('slices are as many, as full, and labelled the same, but for who manages them', () => {
    expect(shapesOf(derived.slices)).toEqual(
      shapesOf(madeByController.map((slice) => withManager(slice, DERIVED_SLICES_MANAGER))),
    );
  });

  test('nothing is derived for the Service with hand-made slices, and no Pod is without its node', () => {
    expect(madeByHand.map(({ metadata }) => metadata.name)).toEqual(['manual-1', 'manual-2']);
    expect(derived.slices.filter((slice) => serviceNameOfSlice(slice) === 'manual')).toEqual([]);
    expect(derived.podsWithoutNode.size).toBe(0);
  });
});

/** Service, family and port set → sorted endpoints of all its slices: what is left when the partition is left out. */
function endpointsByGroup(slices: readonly EndpointSliceObject[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const slice of slices) {
    const ports = slice.ports.map((port) => stableText(port)).sort();
    const key = [slice.metadata.namespace, serviceNameOfSlice(slice), slice.addressType, ...ports].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), ...slice.endpoints.map(stableText)].sort());
  }
  return groups;
}

function shapesOf(slices: readonly EndpointSliceObject[]): string[] {
  return slices
    .map(({ metadata, addressType, endpoints }) =>
      stableText({ labels: metadata.labels, namespace: metadata.namespace, addressType, count: endpoints.length }),
    )
    .sort();
}

function withManager(slice: EndpointSliceObject, manager: string): EndpointSliceObject {
  return { ...slice, metadata: { ...slice.metadata, labels: { ...slice.metadata.labels, [MANAGED_BY]: manager } } };
}

function stableText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function recordedList<Schema extends z.ZodType>(name: string, kind: string, schema: Schema): z.infer<Schema>[] {
  const url = new URL(`../../../../test/fixtures/kubernetes-1.36/lists/${name}.json`, import.meta.url);
  const list = JSON.parse(readFileSync(url, 'utf8')) as { items: object[] };
  return list.items.map((item) => schema.parse({ kind, ...item }));
}
