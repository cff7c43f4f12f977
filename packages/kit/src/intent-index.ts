/** Intents of the log, and which of them bear on a Service. Part of the join in service-index.ts. */
import {
  type DnsAliasObject,
  type DnsIntents,
  type DnsZoneObject,
  INTENT_CLUSTER,
  type IntentKind,
  type IntentObject,
  type ServiceKey,
} from '@signalbox/contracts';
import { type ChangeMark, NEVER } from './change-mark.ts';

interface IntentEntry {
  readonly object: IntentObject;
  readonly mark: ChangeMark;
}

/** What an intent has in place of a Service's key; no Service has this cluster. */
export function intentKey(kind: IntentKind, name: string): ServiceKey {
  return { cluster: INTENT_CLUSTER, namespace: kind, name };
}

export function isFollowed(key: ServiceKey, { spec: { service } }: DnsAliasObject): boolean {
  const isInCluster = service.cluster === undefined || service.cluster === key.cluster;
  return isInCluster && service.namespace === key.namespace && service.name === key.name;
}

export class IntentIndex {
  readonly #entries = new Map<string, IntentEntry>();
  /** By `namespace/name` of the Service, which is all that every alias names. */
  readonly #aliases = new Map<string, DnsAliasObject[]>();
  #zones: readonly DnsZoneObject[] = [];

  /** Undefined: the intent is gone. */
  put(key: ServiceKey, object: IntentObject | undefined, mark: ChangeMark): void {
    const text = `${key.namespace}/${key.name}`;
    const before = this.#entries.get(text)?.object;
    if (object === undefined) this.#entries.delete(text);
    else this.#entries.set(text, { object, mark });
    if (before?.kind === 'DnsAlias') this.#setAliases(before, (known) => known.filter((alias) => alias !== before));
    if (object?.kind === 'DnsAlias') this.#setAliases(object, (known) => [...known, object].sort(byName));
    if (key.namespace === 'DnsZone') this.#zones = this.#listZones();
  }

  clear(): void {
    this.#entries.clear();
    this.#aliases.clear();
    this.#zones = [];
  }

  get(key: ServiceKey): IntentEntry | undefined {
    return this.#entries.get(`${key.namespace}/${key.name}`);
  }

  keys(): ServiceKey[] {
    return [...this.#entries.values()].map(({ object }) => intentKey(object.kind, object.metadata.name));
  }

  zones(): readonly DnsZoneObject[] {
    return this.#zones;
  }

  /** What a view has of intents: nothing at all while there are none, so that views without them stay as they are. */
  viewOf(key: ServiceKey): { readonly dns?: DnsIntents } {
    const named = this.#aliases.get(`${key.namespace}/${key.name}`) ?? [];
    const aliases = named.filter((alias) => isFollowed(key, alias));
    return this.#zones.length === 0 && aliases.length === 0 ? {} : { dns: { zones: this.#zones, aliases } };
  }

  hasAliasesOf({ namespace, name }: ServiceKey): boolean {
    return this.#aliases.has(`${namespace}/${name}`);
  }

  /** Records take a TTL from their zone, so its change is theirs too. */
  mark(key: ServiceKey): ChangeMark {
    const marks = this.#zones.map((zone) => this.get(intentKey('DnsZone', zone.metadata.name))?.mark ?? NEVER);
    const own = this.get(key)?.mark ?? NEVER;
    return marks.reduce((newest, mark) => (mark.revision > newest.revision ? mark : newest), own);
  }

  #setAliases({ spec: { service } }: DnsAliasObject, edit: (known: DnsAliasObject[]) => DnsAliasObject[]): void {
    const text = `${service.namespace}/${service.name}`;
    const aliases = edit(this.#aliases.get(text) ?? []);
    if (aliases.length === 0) this.#aliases.delete(text);
    else this.#aliases.set(text, aliases);
  }

  #listZones(): DnsZoneObject[] {
    return [...this.#entries.values()]
      .flatMap(({ object }) => (object.kind === 'DnsZone' ? [object] : []))
      .sort(byName);
  }
}

function byName(left: IntentObject, right: IntentObject): number {
  return left.metadata.name < right.metadata.name ? -1 : 1;
}
