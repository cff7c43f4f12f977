/**
 * What speaks against an intent, before it is taken: nothing that compilers would leave out, no name of a cluster, and no
 * contradiction to another intent. The paths are those of the request's body.
 */
import type { DnsAliasObject, DnsRecordsObject, DnsZoneObject, IntentObject } from '@signalbox/contracts';
import { REVERSE_ZONES } from '../assemble-zones.ts';
import { absolute, isBelowOrEqual, isName } from '../names.ts';
import { compileIntent, zoneOfName } from './compile-intent.ts';

export interface IntentProblem {
  readonly path: string;
  readonly reason: string;
  /** It would be right if other intents were others. */
  readonly isConflict: boolean;
}

interface Known {
  /** All intents there are; that of the same kind and name is about to be replaced. */
  readonly intents: readonly IntentObject[];
  readonly clusters: readonly { readonly name: string; readonly domain: string }[];
}

export function checkIntent(intent: IntentObject, known: Known): IntentProblem[] {
  const isReplaced = ({ kind, metadata }: IntentObject) =>
    kind === intent.kind && metadata.name === intent.metadata.name;
  const others = known.intents.filter((other) => !isReplaced(other));
  switch (intent.kind) {
    case 'DnsZone':
      return checkZone(intent, known);
    case 'DnsRecords':
    case 'DnsAlias':
      return [...checkName(intent, others, known), ...checkOthers(intent, others)];
  }
}

/** What would be left without a zone when this one goes. */
export function intentsInZone(zone: DnsZoneObject, intents: readonly IntentObject[]): IntentObject[] {
  const zones = intents.filter((other) => other.kind === 'DnsZone');
  return intents.filter(
    (other) =>
      other.kind !== 'DnsZone' && zoneOfName(zones, absolute(other.spec.name))?.metadata.name === zone.metadata.name,
  );
}

function checkZone(zone: DnsZoneObject, { clusters }: Known): IntentProblem[] {
  const { skipped } = compileIntent(zone, { zones: [], ttlSeconds: 0 });
  const name = absolute(zone.metadata.name);
  const owners = [
    ...clusters.map((cluster) => ({ zone: absolute(cluster.domain), who: `the cluster ${cluster.name}` })),
    ...REVERSE_ZONES.map((reverse) => ({ zone: reverse, who: 'the reverse lookup of all clusters' })),
  ];
  const taken = owners.filter((owner) => isBelowOrEqual(name, owner.zone));
  return [
    ...skipped.map(({ path, reason }) => ({ path, reason, isConflict: false })),
    ...taken.map(({ zone: of, who }) => ({
      path: 'metadata.name',
      reason: `${name} lies in ${of}, the names of ${who}`,
      isConflict: true,
    })),
  ];
}

function checkName(
  intent: DnsRecordsObject | DnsAliasObject,
  others: readonly IntentObject[],
  known: Known,
): IntentProblem[] {
  const name = absolute(intent.spec.name);
  const cluster = known.clusters.find(({ domain }) => isBelowOrEqual(name, absolute(domain)));
  if (cluster !== undefined) {
    const reason = `${name} is a name of the cluster ${cluster.name}, which intents cannot change`;
    return [{ path: 'spec.name', reason, isConflict: true }];
  }
  const zones = others.filter((other) => other.kind === 'DnsZone');
  if (intent.kind === 'DnsRecords') {
    const { skipped } = compileIntent(intent, { zones, ttlSeconds: 0 });
    return skipped.map(({ path, reason }) => ({ path, reason, isConflict: false }));
  }
  if (!isName(name)) return [{ path: 'spec.name', reason: `${name} is not a domain name`, isConflict: false }];
  if (zoneOfName(zones, name) !== undefined) return [];
  return [{ path: 'spec.name', reason: `no DnsZone holds ${name}`, isConflict: false }];
}

/** One name and type in two intents need a weight each; an alias (CNAME) suffers no other type beside it. */
function checkOthers(intent: DnsRecordsObject | DnsAliasObject, others: readonly IntentObject[]): IntentProblem[] {
  const name = absolute(intent.spec.name);
  return others.flatMap((other): IntentProblem[] => {
    if (other.kind === 'DnsZone' || absolute(other.spec.name) !== name) return [];
    const where = `${other.kind} ${other.metadata.name}`;
    const [own, theirs] = [typesOf(intent), typesOf(other)];
    if (own.includes('CNAME') !== theirs.includes('CNAME')) {
      return [
        { path: 'spec.type', reason: `${name} has other records by ${where}; an alias stands alone`, isConflict: true },
      ];
    }
    if (!own.some((type) => theirs.includes(type))) return [];
    if (intent.spec.weight !== undefined && other.spec.weight !== undefined) return [];
    const reason = `${where} gives ${name} records of this type already; with several, each needs a weight`;
    return [{ path: 'spec.weight', reason, isConflict: true }];
  });
}

/** An alias of a Service may turn out either way, so it is taken for addresses. */
function typesOf(intent: DnsRecordsObject | DnsAliasObject): readonly string[] {
  return intent.kind === 'DnsRecords' ? [intent.spec.type] : ['A', 'AAAA'];
}
