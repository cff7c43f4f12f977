/**
 * An intent → the records that it alone gives rise to. Pure; the same for the API, which refuses what cannot be compiled,
 * and for the worker, which leaves it out. A `DnsAlias` has none: its records are part of the Service's that it follows.
 */
import type {
  Derivation,
  DnsRecord,
  DnsRecordsObject,
  DnsZoneObject,
  IntentObject,
  RecordSet,
} from '@signalbox/contracts';
import { INTENT_CLUSTER } from '@signalbox/contracts';
import { absolute, isName, parseHostName } from '../names.ts';
import { mergeRecords } from '../records.ts';
import { parseRecordValue } from './parse-record-value.ts';

interface IntentContext {
  readonly zones: readonly DnsZoneObject[];
  /** TTL where neither the intent nor its zone says one. */
  readonly ttlSeconds: number;
}

export function compileIntent(intent: IntentObject, context: IntentContext): Derivation<RecordSet> {
  switch (intent.kind) {
    case 'DnsZone':
      return compileZone(intent);
    case 'DnsRecords':
      return compileRecords(intent, context);
    case 'DnsAlias':
      return { document: undefined, skipped: [] };
  }
}

function compileZone(intent: DnsZoneObject): Derivation<RecordSet> {
  const name = parseHostName(intent.metadata.name);
  if (name === undefined) {
    const reason = `${JSON.stringify(intent.metadata.name)} is not a domain name`;
    return { document: undefined, skipped: [{ path: 'metadata.name', reason }] };
  }
  return { document: { ...placeOf(intent), records: [], zone: { name, ...intent.spec } }, skipped: [] };
}

function compileRecords(intent: DnsRecordsObject, { zones, ttlSeconds }: IntentContext): Derivation<RecordSet> {
  const { spec } = intent;
  const name = absolute(spec.name);
  const zone = zoneOfName(zones, name);
  const refused = (path: string, reason: string) => ({ document: undefined, skipped: [{ path, reason }] });
  if (!isName(name)) return refused('spec.name', `${JSON.stringify(spec.name)} is not a domain name`);
  if (zone === undefined) return refused('spec.name', `no DnsZone holds ${name}`);
  if (spec.type === 'CNAME' && name === absolute(zone.metadata.name)) {
    return refused('spec.type', 'the top of a zone cannot be an alias (RFC 1034 §3.6.2)');
  }
  const parsed = spec.values.map((text) => parseRecordValue(spec.type, text));
  const skipped = parsed.flatMap((one, index) =>
    'problem' in one ? [{ path: `spec.values[${index}]`, reason: one.problem }] : [],
  );
  if (spec.type === 'CNAME' && spec.values.length > 1) {
    return refused('spec.values', 'a name is an alias of one other; give several sets a weight each instead');
  }
  const choice = spec.weight === undefined ? {} : { choice: { set: intent.metadata.name, weight: spec.weight } };
  const owner = { name, ttlSeconds: spec.ttlSeconds ?? zone.spec.ttlSeconds ?? ttlSeconds, ...choice };
  const records = parsed.flatMap((one): DnsRecord[] => ('value' in one ? [{ ...owner, ...one.value }] : []));
  const document = { ...placeOf(intent), records: mergeRecords(records) };
  return { document: records.length === 0 ? undefined : document, skipped };
}

/** The record set of an intent: no Service can have its key. */
function placeOf({ kind, metadata }: IntentObject): { cluster: string; namespace: string; name: string } {
  return { cluster: INTENT_CLUSTER, namespace: kind, name: metadata.name };
}

/** The zone that holds the name: of several, the longest. */
export function zoneOfName(zones: readonly DnsZoneObject[], name: string): DnsZoneObject | undefined {
  const holding = zones.filter((zone) => isWithin(name, zone.metadata.name));
  return holding.reduce<DnsZoneObject | undefined>(
    (best, zone) => (best !== undefined && best.metadata.name.length >= zone.metadata.name.length ? best : zone),
    undefined,
  );
}

function isWithin(name: string, zone: string): boolean {
  const apex = absolute(zone);
  return name === apex || name.endsWith(`.${apex}`);
}
