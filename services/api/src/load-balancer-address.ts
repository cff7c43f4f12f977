/** The address that a controller reports, as an intent: rules, DNS and registrations follow it under one revision. */
import {
  type LoadBalancerAddressObject,
  type LoadBalancerIntentItem,
  nameForService,
  SignalboxError,
  type TargetGroupKey,
} from '@signalbox/contracts';
import type { ApiDependencies } from './dependencies.ts';
import { findIntent, putIntent } from './intent-log.ts';
import type { Precondition } from './precondition.ts';

/** Throws `conflict` when the Service has its address from elsewhere. */
export async function putLoadBalancerAddress(
  api: ApiDependencies,
  { cluster, namespace, name }: TargetGroupKey,
  request: {
    ingress: LoadBalancerAddressObject['spec']['ingress'];
    controller: string;
    precondition: Precondition;
  },
): Promise<{ intent: LoadBalancerIntentItem; isCreated: boolean }> {
  const service = { cluster, namespace, name };
  const intentName = nameForService(service);
  const before = findIntent(api, 'LoadBalancerAddress', intentName);
  const source = before?.intent.spec.source ?? 'controller:';
  if (!source.startsWith('controller:')) {
    throw new SignalboxError('conflict', `${namespace}/${name} in ${cluster} has its address from ${source}`);
  }
  const object: LoadBalancerAddressObject = {
    kind: 'LoadBalancerAddress',
    metadata: { name: intentName },
    spec: { service, ingress: request.ingress, source: `controller:${request.controller}` },
  };
  return await putIntent(api, object, request.precondition ?? before?.revision ?? 'absent');
}
