/** The recorded cluster (test/fixtures) as proxy plans and nodes, read as the product reads API objects. */
import { readFileSync } from 'node:fs';
import {
  endpointSliceObjectSchema,
  nodeObjectSchema,
  type ProxyPlan,
  type ServiceView,
  serviceNameOfSlice,
  serviceObjectSchema,
} from '@signalbox/contracts';
import { compileProxyPlan, type RulesNode, rulesNodeOf } from '@signalbox/rules';

const LISTS = new URL('../fixtures/kubernetes-1.36/lists/', import.meta.url);

export const RECORDED_CLUSTER_CIDRS = ['10.244.0.0/16', 'fd00:244::/32'];

export function recordedViews(lists = LISTS): ServiceView[] {
  const slices = items(lists, 'endpointslices.json', 'EndpointSlice').map((item) =>
    endpointSliceObjectSchema.parse(item),
  );
  const nodes = items(lists, 'nodes.json', 'Node').map((item) => nodeObjectSchema.parse(item));
  const services = items(lists, 'services.json', 'Service').map((item) => serviceObjectSchema.parse(item));
  return services.map((service) => ({
    cluster: { name: 'recorded', domain: 'cluster.local' },
    service,
    slices: slices.filter(
      (slice) =>
        slice.metadata.namespace === service.metadata.namespace && serviceNameOfSlice(slice) === service.metadata.name,
    ),
    nodes,
  }));
}

export function recordedPlans(lists = LISTS): ProxyPlan[] {
  return recordedViews(lists).flatMap((view) => compileProxyPlan(view).document ?? []);
}

export function recordedNode(name: string, lists = LISTS): RulesNode {
  const node = items(lists, 'nodes.json', 'Node')
    .map((item) => nodeObjectSchema.parse(item))
    .find((item) => item.metadata.name === name);
  if (node === undefined) throw new Error(`no node ${name} was recorded`);
  return rulesNodeOf(node);
}

/** Items of a list do not say their kind. */
function items(lists: URL, file: string, kind: string): object[] {
  const list = JSON.parse(readFileSync(new URL(file, lists), 'utf8')) as { items: object[] };
  return list.items.map((item) => ({ ...item, kind }));
}
