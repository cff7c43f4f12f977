/** What should be served of a cluster: derived afresh from its objects, with a join of its own. */
import {
  type Derivation,
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type LogObject,
  type NodeObject,
  namespaceObjectSchema,
  nodeObjectSchema,
  type ProxyPlan,
  type RecordSet,
  type RegistrationSet,
  type ServiceObject,
  type ServiceView,
  serviceNameOfSlice,
  serviceObjectSchema,
} from '@signalbox/contracts';
import { compileRegistrations } from '@signalbox/registrations';
import { compileProxyPlan } from '@signalbox/rules';
import { compileRecordSet } from '@signalbox/zones';
import type { ApiObject, ApiServer } from './api-server/api-server.ts';

export interface ExpectedService {
  readonly namespace: string;
  readonly name: string;
  readonly proxy: Derivation<ProxyPlan>;
  readonly dns: Derivation<RecordSet>;
  readonly lb: Derivation<RegistrationSet>;
}

export interface ExpectedCluster {
  readonly name: string;
  readonly domain: string;
  readonly objects: readonly LogObject[];
  readonly nodes: readonly NodeObject[];
  /** By namespace and name. */
  readonly services: readonly ExpectedService[];
}

export const TTL_SECONDS = 30;

export function expectedCluster(server: ApiServer, cluster: { name: string; domain: string }): ExpectedCluster {
  const readable = <Object>(kind: ApiObject['kind'], parse: Parse<Object>): Object[] =>
    server.list(kind).flatMap((object) => parse.safeParse(object).data ?? []);
  const services = readable<ServiceObject>('Service', serviceObjectSchema);
  const slices = readable<EndpointSliceObject>('EndpointSlice', endpointSliceObjectSchema).sort(byName);
  const nodes = readable<NodeObject>('Node', nodeObjectSchema).sort(byName);
  const namespaces = readable<LogObject>('Namespace', namespaceObjectSchema);
  const views = services.map((service): ServiceView => {
    const own = slices.filter((slice) => isOf(slice, service));
    return { cluster, service, slices: own, nodes };
  });
  const expected = views.map((view) => ({
    namespace: view.service.metadata.namespace,
    name: view.service.metadata.name,
    proxy: compileProxyPlan({ ...view, nodes: [] }),
    dns: compileRecordSet({ ...view, nodes: [] }, { ttlSeconds: TTL_SECONDS }),
    lb: compileRegistrations(view),
  }));
  return {
    ...cluster,
    objects: [...services, ...slices, ...nodes, ...namespaces],
    nodes,
    services: expected.sort((a, b) => (`${a.namespace}\n${a.name}` < `${b.namespace}\n${b.name}` ? -1 : 1)),
  };
}

interface Parse<Object> {
  safeParse(value: unknown): { readonly data?: Object | undefined };
}

function isOf(slice: EndpointSliceObject, { metadata }: ServiceObject): boolean {
  return slice.metadata.namespace === metadata.namespace && serviceNameOfSlice(slice) === metadata.name;
}

function byName(a: { metadata: { name: string } }, b: { metadata: { name: string } }): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
