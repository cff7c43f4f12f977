/**
 * Which Services have a load-balancer status that is not what the intents say. Pure state: objects in, writes out.
 *
 *   intent                        │ the Service's status │ write
 *   ──────────────────────────────┼──────────────────────┼──────────────────────────────────────────────
 *   has addresses                 │ equal                │ nothing
 *   has addresses                 │ other, or none       │ the addresses (the API server refuses to replace others')
 *   none, or gone                 │ none                 │ nothing
 *   gone, or has no addresses     │ some                 │ nothing, applied: takes back only what we wrote
 *   never was one                 │ any                  │ nothing
 */
import {
  type LoadBalancerIngress,
  type LogObject,
  type ObjectKey,
  type ServiceKey,
  serviceKeyText,
  serviceOfName,
} from '@signalbox/contracts';
import type { Write } from './write.ts';

interface Entry {
  readonly key: ServiceKey;
  /** Undefined: there is no LoadBalancer Service of this name. */
  status?: readonly LoadBalancerIngress[] | undefined;
  /** Undefined: there never was an intent. */
  wanted?: readonly LoadBalancerIngress[] | undefined;
}

export class IngressBook {
  readonly #entries = new Map<string, Entry>();
  readonly #dirty = new Map<string, Entry>();

  /** Undefined: the object is gone. */
  apply(key: ObjectKey, object: LogObject | undefined): void {
    if (key.kind === 'Service') {
      const place = { cluster: key.cluster, namespace: key.namespace, name: key.name };
      const isBalanced = object?.kind === 'Service' && object.spec.type === 'LoadBalancer';
      this.#change(place, { status: isBalanced ? (object.status?.loadBalancer?.ingress ?? []) : undefined });
    }
    if (key.kind === 'LoadBalancerAddress') {
      const service = serviceOfName(key.name);
      const wanted = object?.kind === 'LoadBalancerAddress' ? object.spec.ingress : [];
      if (service !== undefined) this.#change(service, { wanted });
    }
  }

  /** Of what changed since the last call, by cluster. */
  takeWrites(): { cluster: string; write: Write }[] {
    const writes = [...this.#dirty.values()].flatMap(({ key, status, wanted }) => {
      if (status === undefined || wanted === undefined || isSame(status, wanted)) return [];
      const object = { namespace: key.namespace, name: key.name };
      return [{ cluster: key.cluster, write: { type: 'ingress' as const, object, ingress: wanted } }];
    });
    this.#dirty.clear();
    return writes;
  }

  #change(key: ServiceKey, change: Partial<Entry>): void {
    const text = serviceKeyText(key);
    const entry: Entry = { ...(this.#entries.get(text) ?? { key }), ...change };
    if (entry.status === undefined && (entry.wanted ?? []).length === 0) this.#entries.delete(text);
    else this.#entries.set(text, entry);
    this.#dirty.set(text, entry);
  }
}

/** The API server adds `ipMode: VIP` to addresses that have none. */
function isSame(left: readonly LoadBalancerIngress[], right: readonly LoadBalancerIngress[]): boolean {
  const text = (all: readonly LoadBalancerIngress[]) =>
    JSON.stringify(
      all.map(({ ip, hostname, ipMode }) => [ip, hostname, ip === undefined ? undefined : (ipMode ?? 'VIP')]),
    );
  return text(left) === text(right);
}
