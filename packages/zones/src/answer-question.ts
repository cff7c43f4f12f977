/** Question → answer, over whatever knows the zones and their names. Pure. RFC 1034 §4.3.2, RFC 2308, RFC 6604. */
import type { DnsRecord, DnsRecordType } from '@signalbox/contracts';
import { REVERSE_ZONES } from './assemble-zones.ts';
import { chosenSet } from './choose-set.ts';
import { parentOf } from './names.ts';
import type { RecordGroup } from './records.ts';

export interface Question {
  /** Absolute, lower case; octets outside printable ASCII as `\DDD`. */
  readonly name: string;
  /** Mnemonic, such as `AAAA`, `ANY`, or `TYPE65` (RFC 3597 §5). */
  readonly type: string;
  /** In [0, 1): which of several weighted sets the answer holds. Default 0. */
  readonly pick?: number;
}

export type AnswerCode = 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';

/** The sections of a response. Groups are shared with the zone: an unchanged group is the same array each time. */
export interface Answer {
  readonly code: AnswerCode;
  readonly answers: readonly RecordGroup[];
  readonly authority: readonly RecordGroup[];
  readonly additional: readonly RecordGroup[];
  /** The authority names the servers of a part of the zone that is not ours: the asker goes on there. */
  readonly isReferral?: true;
  /** Another `pick` may give another answer, so this one must not be kept for the next asker. */
  readonly isChosen?: true;
  /**
   * Where the last alias leads, when that is in no zone: the asker, or somebody for it, goes on there. Also an address
   * that is nobody's here: of the reverse zones we have only what clusters use, and others know the rest.
   */
  readonly leadsTo?: string;
}

export interface ServedZone {
  readonly name: string;
  /**
   * - `complete`: what is not there does not exist;
   * - `partial`: what is there is true, but some source is missing, so "does not exist" cannot be said;
   * - `unavailable`: nothing can be said.
   */
  readonly state: 'complete' | 'partial' | 'unavailable';
  /** Made by an intent: it may have delegations and wildcards, and aliases are followed for every type. */
  readonly isExtra?: true;
}

interface ZoneSource {
  /** The zone with the longest matching name. */
  zoneOf(name: string): ServedZone | undefined;
  /** Undefined when the name does not exist; empty for an empty non-terminal. */
  groups(name: string): readonly RecordGroup[] | undefined;
  /** Apart from `groups`, because its serial changes with everything, and answers that hold it do not. */
  soa(zone: string): RecordGroup | undefined;
}

/** Aliases followed for one question. */
const MAX_ALIASES = 8;

export function answerQuestion(source: ZoneSource, question: Question): Answer {
  const answers: RecordGroup[] = [];
  const seen = new Set<string>();
  let isChosen = false;
  for (let name = question.name; ; ) {
    seen.add(name);
    const step = answerOrAlias(source, { ...question, name }, answers);
    if ('code' in step) return isChosen ? { ...step, isChosen } : step;
    answers.push(step.group);
    isChosen ||= step.isChosen === true;
    name = step.target;
    // Aliases in a circle are shown once each: nobody gets further by reading them twice (RFC 1034 §3.6.2).
    if (seen.has(name)) return { ...empty('NOERROR'), answers, ...(isChosen && { isChosen }) };
  }
}

interface Alias {
  readonly group: RecordGroup;
  readonly target: string;
  readonly isChosen?: true;
}

function answerOrAlias(source: ZoneSource, question: Question, answers: readonly RecordGroup[]): Answer | Alias {
  const zone = source.zoneOf(question.name);
  if (zone === undefined && answers.length === 0) return empty('REFUSED');
  // An alias out of the served zones, or too many of them: the asker goes on from there.
  if (zone === undefined) return { ...empty('NOERROR'), answers, leadsTo: question.name };
  if (answers.length === MAX_ALIASES) return { ...empty('NOERROR'), answers };
  if (zone.state === 'unavailable') return empty('SERVFAIL');
  const referral = zone.isExtra ? referralAt(source, zone, question.name, answers) : undefined;
  if (referral !== undefined) return referral;
  const groups = source.groups(question.name) ?? (zone.isExtra && wildcardGroups(source, question.name));
  if (!groups) return denial(source, zone, question.name, answers);
  const found = groupFor(source, groups, question, zone);
  if (found !== undefined) {
    const chosen = chosenSet(found, question.pick);
    const answer = withAdditional(source, [...answers, chosen]);
    return chosen === found ? answer : { ...answer, isChosen: true };
  }
  return aliasFor(groups, question, zone) ?? negative(source, zone, 'NOERROR', answers);
}

function empty(code: AnswerCode): Answer {
  return { code, answers: [], authority: [], additional: [] };
}

/** The SOA tells how long the absence may be remembered (RFC 2308 §2). */
function negative(source: ZoneSource, zone: ServedZone, code: AnswerCode, answers: readonly RecordGroup[]): Answer {
  if (zone.state === 'partial') return empty('SERVFAIL');
  const soa = source.soa(zone.name);
  return { code, answers, authority: soa === undefined ? [] : [soa], additional: [] };
}

function denial(source: ZoneSource, zone: ServedZone, name: string, answers: readonly RecordGroup[]): Answer {
  const answer = negative(source, zone, 'NXDOMAIN', answers);
  const isReverse = REVERSE_ZONES.some((reverse) => reverse === zone.name);
  return isReverse && answer.code === 'NXDOMAIN' ? { ...answer, leadsTo: name } : answer;
}

/** Below a delegation nothing is ours, and at it only what a referral says (RFC 1034 §4.3.2 step 3b). */
function referralAt(
  source: ZoneSource,
  zone: ServedZone,
  name: string,
  answers: readonly RecordGroup[],
): Answer | undefined {
  let cut: RecordGroup | undefined;
  for (let at: string | undefined = name; at !== undefined && at !== zone.name; at = parentOf(at)) {
    cut = groupOf(source.groups(at), 'NS') ?? cut;
  }
  if (cut === undefined) return undefined;
  const additional = targetsOf(cut).flatMap((target) => addressGroups(source, target));
  return { code: 'NOERROR', answers, authority: [cut], additional, isReferral: true };
}

/** RFC 4592: the wildcard of the closest name that exists stands for what does not. */
function wildcardGroups(source: ZoneSource, name: string): readonly RecordGroup[] | undefined {
  for (let at = parentOf(name); at !== undefined; at = parentOf(at)) {
    if (source.groups(at) === undefined) continue;
    return source.groups(`*.${at}`)?.map((group) => group.map((record) => ({ ...record, name })));
  }
  return undefined;
}

function groupFor(
  source: ZoneSource,
  groups: readonly RecordGroup[],
  question: Question,
  zone: ServedZone,
): RecordGroup | undefined {
  // One group is enough for ANY (RFC 8482 §4.1), and no help to those who want to amplify traffic.
  if (question.type === 'ANY') return groups[0];
  return groupOf(groups, question.type) ?? (zone.isExtra ? undefined : portAddresses(source, groups, question));
}

export function groupOf(groups: readonly RecordGroup[] | undefined, type: string): RecordGroup | undefined {
  return groups?.find(([first]) => first?.type === type);
}

/**
 * An address question at a port's name (`_http._tcp.web…`) gets the addresses behind its SRV records, as from CoreDNS.
 * The zone itself has no such records: BIND refuses to load addresses at names with an underscore.
 */
function portAddresses(
  source: ZoneSource,
  groups: readonly RecordGroup[],
  { name, type }: Question,
): RecordGroup | undefined {
  if (!isAddressType(type) || !name.startsWith('_')) return undefined;
  const targets = targetsOf(groupOf(groups, 'SRV') ?? []);
  const records = targets.flatMap((target) => groupOf(source.groups(target), type) ?? []);
  return records.length === 0 ? undefined : distinctAddresses(records).map((record) => ({ ...record, name }));
}

function distinctAddresses(records: readonly DnsRecord[]): DnsRecord[] {
  const byAddress = new Map<string, DnsRecord>();
  for (const record of records) if ('address' in record) byAddress.set(record.address, record);
  return [...byAddress.values()];
}

/**
 * In zones of clusters, aliases are followed for addresses only. To other types CoreDNS answers that there is no data, where RFC 1034 §3.6.2
 * would give the alias; clients of a cluster's DNS are used to the former.
 */
function aliasFor(groups: readonly RecordGroup[], { type, pick }: Question, zone: ServedZone): Alias | undefined {
  const all = zone.isExtra || isAddressType(type) ? groupOf(groups, 'CNAME') : undefined;
  const group = all && chosenSet(all, pick);
  const [record] = group ?? [];
  if (group === undefined || record?.type !== 'CNAME') return undefined;
  return { group, target: record.target, ...(group === all ? {} : { isChosen: true }) };
}

function isAddressType(type: string): type is 'A' | 'AAAA' {
  return type === 'A' || type === 'AAAA';
}

/** Addresses of the targets that an answer names, so that the client need not ask again (RFC 2782, RFC 1035 §3.3.9 and §3.3.11). */
function withAdditional(source: ZoneSource, answers: readonly RecordGroup[]): Answer {
  const targets = new Set(answers.flatMap(targetsOf));
  const additional = [...targets].flatMap((target) => addressGroups(source, target));
  return { code: 'NOERROR', answers, authority: [], additional };
}

function targetsOf(group: RecordGroup): string[] {
  return [...new Set(group.flatMap(targetOf))];
}

function targetOf(record: DnsRecord): string[] {
  if (record.type === 'SRV' || record.type === 'NS') return [record.target];
  return record.type === 'MX' ? [record.exchange] : [];
}

function addressGroups(source: ZoneSource, name: string): RecordGroup[] {
  const zone = source.zoneOf(name);
  if (zone === undefined || zone.state === 'unavailable') return [];
  const types: DnsRecordType[] = ['A', 'AAAA'];
  return types.flatMap((type) => {
    const group = groupOf(source.groups(name), type);
    return group === undefined ? [] : [group];
  });
}
