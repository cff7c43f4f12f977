/** Intents by the path under which the API has them; backups name them by it too. */
import { loadBalancerIntentObjectSchema } from './api-load-balancers.ts';
import { intentObjectSchema } from './intents.ts';
import { isLoadBalancerIntentKind } from './load-balancer-intents.ts';
import type { ObjectKind } from './objects.ts';

/** In the order in which they can be written: names lie in zones. */
export const INTENT_PATHS = {
  'dns-zones': 'DnsZone',
  'dns-records': 'DnsRecords',
  'dns-aliases': 'DnsAlias',
  'load-balancer-policies': 'LoadBalancerPolicy',
  'load-balancer-confirmations': 'LoadBalancerConfirmation',
  'load-balancer-addresses': 'LoadBalancerAddress',
} as const satisfies Record<string, ObjectKind>;
export type IntentPath = keyof typeof INTENT_PATHS;

export function isIntentPath(path: string): path is IntentPath {
  return Object.hasOwn(INTENT_PATHS, path);
}

/** The path decides which schema it is, so errors are of that one alone. */
export function parseIntent(path: IntentPath, metadata: { name: string; owner?: string }, spec: unknown) {
  const kind = INTENT_PATHS[path];
  const schema = isLoadBalancerIntentKind(kind) ? loadBalancerIntentObjectSchema : intentObjectSchema;
  return schema.safeParse({ kind, metadata, spec });
}
