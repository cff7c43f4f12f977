/** Question → answer, over whatever knows the zones and their names. Pure. RFC 1034 §4.3.2, RFC 2308, RFC 6604. */
import type { DnsRecord, DnsRecordType } from '@signalbox/contracts';
import type { RecordGroup } from './records.ts';

export interface Question {
  /** Absolute, lower case; octets outside printable ASCII as `\DDD`. */
  readonly name: string;
  /** Mnemonic, such as `AAAA`, `ANY`, or `TYPE65` (RFC 3597 §5). */
  readonly type: string;
}

export type AnswerCode = 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';

/** The sections of a response. Groups are shared with the zone: an unchanged group is the same array each time. */
export interface Answer {
  readonly code: AnswerCode;
  readonly answers: readonly RecordGroup[];
  readonly authority: readonly RecordGroup[];
  readonly additional: readonly RecordGroup[];
}

export interface ServedZone {
  readonly name: string;
  /**
   * - `complete`: what is not there does not exist;
   * - `partial`: what is there is true, but some source is missing, so "does not exist" cannot be said;
   * - `unavailable`: nothing can be said.
   */
  readonly state: 'complete' | 'partial' | 'unavailable';
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
  for (let name = question.name; ; ) {
    const step = answerOrAlias(source, { ...question, name }, answers);
    if ('code' in step) return step;
    answers.push(step.group);
    name = step.target;
  }
}

interface Alias {
  readonly group: RecordGroup;
  readonly target: string;
}

function answerOrAlias(source: ZoneSource, question: Question, answers: readonly RecordGroup[]): Answer | Alias {
  const zone = source.zoneOf(question.name);
  if (zone === undefined && answers.length === 0) return empty('REFUSED');
  // An alias out of the served zones, or too many of them: the asker goes on from there.
  if (zone === undefined || answers.length === MAX_ALIASES) return { ...empty('NOERROR'), answers };
  if (zone.state === 'unavailable') return empty('SERVFAIL');
  const groups = source.groups(question.name);
  if (groups === undefined) return negative(source, zone, 'NXDOMAIN', answers);
  const found = groupFor(source, groups, question);
  if (found !== undefined) return withAdditional(source, [...answers, found]);
  return aliasFor(groups, question.type) ?? negative(source, zone, 'NOERROR', answers);
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

function groupFor(source: ZoneSource, groups: readonly RecordGroup[], question: Question): RecordGroup | undefined {
  // One group is enough for ANY (RFC 8482 §4.1), and no help to those who want to amplify traffic.
  if (question.type === 'ANY') return groups[0];
  return groupOf(groups, question.type) ?? portAddresses(source, groups, question);
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
 * Aliases are followed for addresses only. To other types CoreDNS answers that there is no data, where RFC 1034 §3.6.2
 * would give the alias; clients of a cluster's DNS are used to the former.
 */
function aliasFor(groups: readonly RecordGroup[], type: string): Alias | undefined {
  const group = isAddressType(type) ? groupOf(groups, 'CNAME') : undefined;
  const [record] = group ?? [];
  return group === undefined || record?.type !== 'CNAME' ? undefined : { group, target: record.target };
}

function isAddressType(type: string): type is 'A' | 'AAAA' {
  return type === 'A' || type === 'AAAA';
}

/** Addresses of the targets that an answer names, so that the client need not ask again (RFC 2782, RFC 1035 §3.3.11). */
function withAdditional(source: ZoneSource, answers: readonly RecordGroup[]): Answer {
  const targets = new Set(answers.flatMap(targetsOf));
  const additional = [...targets].flatMap((target) => addressGroups(source, target));
  return { code: 'NOERROR', answers, authority: [], additional };
}

function targetsOf(group: RecordGroup): string[] {
  const targets = group.flatMap((record) => (record.type === 'SRV' || record.type === 'NS' ? [record.target] : []));
  return [...new Set(targets)];
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
