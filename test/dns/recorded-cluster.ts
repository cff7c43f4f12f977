/** The recorded cluster (test/fixtures/kubernetes-1.36/lists) as service views and record sets. */
import { readFileSync } from 'node:fs';
import {
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type PodObject,
  podObjectSchema,
  type RecordSet,
  type ServiceObject,
  type ServiceView,
  serviceNameOfSlice,
  serviceObjectSchema,
} from '@signalbox/contracts';
import { compileRecordSet } from '@signalbox/zones';

const CLUSTER = { name: 'shop', domain: 'cluster.local' };

function recordedViews(): ServiceView[] {
  const slices = recordedSlices();
  return recordedServices().map((service) => ({
    cluster: CLUSTER,
    service,
    slices: slices.filter(
      (slice) =>
        serviceNameOfSlice(slice) === service.metadata.name && slice.metadata.namespace === service.metadata.namespace,
    ),
    nodes: [],
  }));
}

export function recordedServices(): ServiceObject[] {
  return itemsOf('services.json', 'Service').map((item) => serviceObjectSchema.parse(item));
}

export function recordedSlices(): EndpointSliceObject[] {
  return itemsOf('endpointslices.json', 'EndpointSlice').map((item) => endpointSliceObjectSchema.parse(item));
}

export function recordedPods(): PodObject[] {
  return itemsOf('pods.json', 'Pod').map((item) => podObjectSchema.parse(item));
}

export function recordedNamespaces(): string[] {
  const namespaces = itemsOf('namespaces.json', 'Namespace') as { metadata: { name: string } }[];
  return namespaces.map(({ metadata }) => metadata.name);
}

export function recordedRecordSets(): RecordSet[] {
  return recordedViews().flatMap((view) => compileRecordSet(view, { ttlSeconds: 30 }).document ?? []);
}

/** Items of a List have no kind of their own. */
function itemsOf(file: string, kind: string): object[] {
  const url = new URL(`../fixtures/kubernetes-1.36/lists/${file}`, import.meta.url);
  const list = JSON.parse(readFileSync(url, 'utf8')) as { items: object[] };
  return list.items.map((item) => ({ ...item, kind }));
}
