/**
 * Writes the few statuses that Signalbox may write, by server-side apply: the API server keeps who owns which field, so
 * what another controller wrote is never overwritten, and taking our field out of an apply removes only what is ours
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
 *
 * Needs the verb `patch` on `services/status` and `pods/status`, nothing else.
 */
import type { LoadBalancerIngress } from '@signalbox/contracts';
import { ApiClient } from './api-client.ts';
import { ApiFailure } from './api-failure.ts';
import { type ClusterAccess, loadClusterConfig } from './cluster-config.ts';

export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

export interface PodCondition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; equal content must carry an equal time, or every write is a change. */
  readonly lastTransitionTime: string;
}

export type StatusOutcome =
  | { readonly type: 'written' }
  /** The object is gone. */
  | { readonly type: 'missing' }
  /** Another manager owns the field; the message names it. */
  | { readonly type: 'conflict'; readonly message: string }
  /** Not as it is; the message says what to change. */
  | { readonly type: 'refused'; readonly message: string }
  /** To be tried again, not before this many milliseconds. */
  | { readonly type: 'failed'; readonly message: string; readonly retryAfterMs: number };

export interface StatusClient {
  /** An empty list takes back what was written. */
  applyIngress(
    service: NamespacedName,
    ingress: readonly LoadBalancerIngress[],
    signal: AbortSignal,
  ): Promise<StatusOutcome>;
  applyPodCondition(pod: NamespacedName, condition: PodCondition, signal: AbortSignal): Promise<StatusOutcome>;
}

export interface StatusClientOptions extends ClusterAccess {
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

const FIELD_MANAGER = 'signalbox';

/** Throws `invalid` when the kubeconfig cannot be read or lacks the context. */
export function statusClient({ timeoutMs = 30_000, ...access }: StatusClientOptions): StatusClient {
  const api = new ApiClient({ load: () => loadClusterConfig(access), idleTimeoutMs: timeoutMs });
  const apply = async (path: string, object: object, signal: AbortSignal): Promise<StatusOutcome> => {
    // JSON is YAML.
    const body = { type: 'application/apply-patch+yaml', text: JSON.stringify({ apiVersion: 'v1', ...object }) };
    try {
      await api.patch(path, { fieldManager: FIELD_MANAGER, force: false }, body, signal);
      return { type: 'written' };
    } catch (error) {
      return outcomeOf(error, api.description);
    }
  };
  return {
    applyIngress: (metadata, ingress, signal) => {
      const status = { loadBalancer: ingress.length === 0 ? {} : { ingress } };
      return apply(pathOf('services', metadata), { kind: 'Service', metadata, status }, signal);
    },
    applyPodCondition: (metadata, condition, signal) =>
      apply(pathOf('pods', metadata), { kind: 'Pod', metadata, status: { conditions: [condition] } }, signal),
  };
}

function pathOf(resource: string, { namespace, name }: NamespacedName): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}/status`;
}

function outcomeOf(error: unknown, access: string): StatusOutcome {
  if (!(error instanceof ApiFailure)) throw error;
  const { reason, message, retryAfterMs } = error;
  switch (reason) {
    case 'missing':
      return { type: 'missing' };
    case 'conflict':
      return { type: 'conflict', message };
    case 'forbidden':
      return {
        type: 'refused',
        message: `${message}: grant ${access} the verb patch on services/status and pods/status`,
      };
    case 'unauthorized':
    case 'rejected':
      return { type: 'refused', message };
    case 'connection':
    case 'server':
    case 'throttled':
    case 'expired':
    case 'unreadable':
    case 'sink':
      return { type: 'failed', message, retryAfterMs };
  }
}
