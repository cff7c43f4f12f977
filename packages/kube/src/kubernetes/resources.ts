/** Where the API server keeps each kind, and how an object of that kind is read. */
import {
  endpointSliceObjectSchema,
  namespaceObjectSchema,
  nodeObjectSchema,
  podObjectSchema,
  type SourceKind,
  serviceObjectSchema,
} from '@signalbox/contracts';
import type { z } from 'zod';
import type { SourceObject } from '../source.ts';

export interface KindResource {
  readonly kind: SourceKind;
  /** API group; empty for the core group. */
  readonly group: string;
  /** Plural name, as RBAC rules and error messages write it. */
  readonly name: string;
  /** Path of the list over all namespaces. */
  readonly path: string;
  readonly schema: z.ZodType<SourceObject['object']>;
}

export const KIND_RESOURCES: { readonly [Kind in SourceKind]: KindResource } = {
  Service: { kind: 'Service', group: '', name: 'services', path: '/api/v1/services', schema: serviceObjectSchema },
  EndpointSlice: {
    kind: 'EndpointSlice',
    group: 'discovery.k8s.io',
    name: 'endpointslices',
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    schema: endpointSliceObjectSchema,
  },
  Node: { kind: 'Node', group: '', name: 'nodes', path: '/api/v1/nodes', schema: nodeObjectSchema },
  Namespace: {
    kind: 'Namespace',
    group: '',
    name: 'namespaces',
    path: '/api/v1/namespaces',
    schema: namespaceObjectSchema,
  },
  Pod: { kind: 'Pod', group: '', name: 'pods', path: '/api/v1/pods', schema: podObjectSchema },
};
