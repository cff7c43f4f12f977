import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Answer } from './answer-question.ts';
import { assembleZones } from './assemble-zones.ts';
import { mergeRecords, recordData } from './records.ts';
import type { IndexedCluster } from './served-zones.ts';
import { ZoneIndex } from './zone-index.ts';

const TTL = { ttlSeconds: 30 };

type RecordInput = [name: string, type: 'A' | 'AAAA' | 'CNAME' | 'SRV' | 'PTR', data: string];

/** A name without trailing dot is below `cluster.local.` */
function aRecord([name, type, data]: RecordInput): DnsRecord {
  const owner = { name: inDomain(name), ttlSeconds: 30 };
  if (type === 'A' || type === 'AAAA') return { ...owner, type, address: data };
  if (type === 'SRV') return { ...owner, type, priority: 0, weight: 1, port: 80, target: inDomain(data) };
  return { ...owner, type, target: inDomain(data) };
}

function inDomain(name: string): string {
  return name.endsWith('.') ? name : `${name}.cluster.local.`;
}

function aSet(name: string, records: RecordInput[], cluster = 'shop'): RecordSet {
  return { cluster, namespace: 'ns', name, records: records.map(aRecord) };
}

function aCluster(name = 'shop', domain = 'cluster.local', isSynced = true): IndexedCluster {
  return { name, domain, isSynced };
}

function anIndex(sets: RecordSet[], clusters = [aCluster()]): ZoneIndex {
  const index = new ZoneIndex(TTL);
  for (const set of sets) index.upsert(set);
  index.setClusters(clusters, 1);
  return index;
}

/** `CODE | answer | authority | additional`, domain left out. */
function shortAnswer({ code, answers, authority, additional }: Answer): string {
  const sections = [answers, authority, additional].map((groups) => groups.flat().map(shortRecord).join(', '));
  return [code, ...sections].join(' | ').replaceAll('.cluster.local.', '').trimEnd();
}

function shortRecord(record: DnsRecord): string {
  return record.type === 'SOA' ? `SOA ${record.name}` : `${record.name} ${record.type} ${recordData(record)}`;
}

function ask(index: ZoneIndex, name: string, type: string): string {
  return shortAnswer(index.answer({ name: inDomain(name), type }));
}

const SOA = 'SOA cluster.local.';

describe('answers', () => {
  const index = anIndex([
    aSet('web', [
      ['web', 'A', '10.0.0.1'],
      ['web', 'AAAA', 'fd00::1'],
      ['_http._tcp.web', 'SRV', 'web'],
    ]),
    aSet('alias', [['alias', 'CNAME', 'web']]),
    aSet('far', [['far', 'CNAME', 'db.example.com.']]),
    aSet('gone', [['gone', 'CNAME', 'nosuch']]),
    aSet('loop', [
      ['loop', 'CNAME', 'pool'],
      ['pool', 'CNAME', 'loop'],
    ]),
    aSet('bare', [['bare', 'SRV', 'srv.example.com.']]),
  ]);

  test.for<[name: string, type: string, answer: string, why: string]>([
    ['web', 'A', 'NOERROR | web A 10.0.0.1 |  |', 'data'],
    ['web', 'TXT', `NOERROR |  | ${SOA} |`, 'no data of this type'],
    ['web', 'TYPE65', `NOERROR |  | ${SOA} |`, 'a type nobody here knows'],
    ['web', 'ANY', 'NOERROR | web A 10.0.0.1 |  |', 'one group is enough for ANY'],
    ['nosuch', 'A', `NXDOMAIN |  | ${SOA} |`, 'no such name'],
    ['x.web', 'A', `NXDOMAIN |  | ${SOA} |`, 'nothing below a leaf'],
    ['_tcp.web', 'A', `NOERROR |  | ${SOA} |`, 'an empty non-terminal exists'],
    ['dns', 'A', `NOERROR |  | ${SOA} |`, 'so does the one above the name server'],
    ['cluster.local.', 'A', `NOERROR |  | ${SOA} |`, 'the apex exists'],
    ['cluster.local.', 'NS', 'NOERROR | cluster.local. NS ns.dns |  | ns.dns A 127.0.0.1', 'name server, address'],
    ['local.', 'A', 'REFUSED |  |  |', 'above the zone'],
    ['example.com.', 'A', 'REFUSED |  |  |', 'outside the zones'],
    ['xcluster.local.', 'A', 'REFUSED |  |  |', 'a name that only ends alike'],
    ['_http._tcp.web', 'SRV', 'NOERROR | _http._tcp.web SRV 0 1 80 web |  | web A 10.0.0.1, web AAAA fd00::1', 'glue'],
    ['_http._tcp.web', 'A', 'NOERROR | _http._tcp.web A 10.0.0.1 |  |', 'addresses behind a port'],
    ['_http._tcp.web', 'TXT', `NOERROR |  | ${SOA} |`, 'addresses only'],
    ['bare', 'SRV', 'NOERROR | bare SRV 0 1 80 srv.example.com. |  |', 'no glue for other zones'],
    ['alias', 'A', 'NOERROR | alias CNAME web, web A 10.0.0.1 |  |', 'alias followed'],
    ['alias', 'CNAME', 'NOERROR | alias CNAME web |  |', 'alias asked for'],
    ['alias', 'MX', `NOERROR |  | ${SOA} |`, 'alias not followed for other types'],
    ['far', 'AAAA', 'NOERROR | far CNAME db.example.com. |  |', 'alias out of the zones'],
    ['gone', 'A', `NXDOMAIN | gone CNAME nosuch | ${SOA} |`, 'the code is of the last name'],
    ['loop', 'A', 'NOERROR | loop CNAME pool, pool CNAME loop |  |', 'aliases in a circle, each once'],
  ])('%s %s: %s (%s)', ([name, type, answer]) => {
    expect(ask(index, name, type)).toBe(answer.trimEnd());
  });

  test('of a long way of aliases so many are followed', () => {
    const way = Array.from({ length: 12 }, (_, at) => aSet(`s${at}`, [[`a${at}`, 'CNAME', `a${at + 1}`]]));
    const answer = anIndex(way).answer({ name: 'a0.cluster.local.', type: 'A' });
    expect(answer).toMatchObject({ code: 'NOERROR', authority: [], additional: [] });
    expect(answer.answers).toHaveLength(8);
  });
});

describe('several clusters', () => {
  const pointer = (owner: string): RecordInput => ['1.0.0.10.in-addr.arpa.', 'PTR', owner];
  const sets = [
    aSet('a', [['a', 'A', '10.0.0.1'], pointer('a')], 'one'),
    aSet('b', [['b.example.', 'A', '10.0.0.1'], pointer('b.example.')], 'two'),
  ];

  test('share the reverse zones', () => {
    const index = anIndex(sets, [aCluster('one'), aCluster('two', 'example')]);
    const reverse = ask(index, '1.0.0.10.in-addr.arpa.', 'PTR');
    expect(reverse).toBe('NOERROR | 1.0.0.10.in-addr.arpa. PTR a, 1.0.0.10.in-addr.arpa. PTR b.example. |  |');
    expect(index.zones().map(({ name, recordCount }) => [name, recordCount])).toEqual([
      ['cluster.local.', 1],
      ['example.', 1],
      ['in-addr.arpa.', 2],
      ['ip6.arpa.', 0],
    ]);
  });

  test('one that is not synced is unavailable, and what it may hold is never said not to exist', () => {
    const index = anIndex(sets, [aCluster('one'), aCluster('two', 'example', false)]);
    expect(ask(index, 'a', 'A')).toBe('NOERROR | a A 10.0.0.1 |  |');
    expect(ask(index, 'nosuch', 'A')).toBe(`NXDOMAIN |  | ${SOA} |`);
    expect(ask(index, 'b.example.', 'A')).toBe('SERVFAIL |  |  |');
    expect(ask(index, 'nosuch.example.', 'A')).toBe('SERVFAIL |  |  |');
    expect(ask(index, '1.0.0.10.in-addr.arpa.', 'PTR')).toBe('NOERROR | 1.0.0.10.in-addr.arpa. PTR a |  |');
    expect(ask(index, '2.0.0.10.in-addr.arpa.', 'PTR')).toBe('SERVFAIL |  |  |');
    expect(index.zoneGroups('in-addr.arpa.')).toBeUndefined();
    expect(index.zoneGroups('example.')).toBeUndefined();
  });

  test('that claim one domain: the first by name has it, even while it is not synced', () => {
    const index = anIndex(sets, [aCluster('two'), aCluster('one')]);
    expect(index.rejectedClusters).toEqual(['two']);
    expect(ask(index, '1.0.0.10.in-addr.arpa.', 'PTR')).toBe('NOERROR | 1.0.0.10.in-addr.arpa. PTR a |  |');
    index.setClusters([aCluster('two'), aCluster('one', 'cluster.local', false)], 2);
    expect(ask(index, 'a', 'A')).toBe('SERVFAIL |  |  |');
    index.setClusters([aCluster('two', 'example')], 3);
    expect(index.rejectedClusters).toEqual([]);
    expect(ask(index, 'b.example.', 'A')).toBe('NOERROR | b.example. A 10.0.0.1 |  |');
    expect(ask(index, 'a', 'A')).toBe('REFUSED |  |  |');
  });

  test('a domain that is none is rejected', () => {
    expect(anIndex([], [aCluster('one', 'not a domain')]).rejectedClusters).toEqual(['one']);
  });

  test('the domain that matches longest answers', () => {
    const index = anIndex(sets, [aCluster('one'), aCluster('two', 'sub.cluster.local')]);
    expect(ask(index, 'x.sub', 'A')).toBe('NXDOMAIN |  | SOA sub |');
  });
});

test('groups stay the same arrays while their name is unchanged', () => {
  const index = anIndex([aSet('a', [['a', 'A', '10.0.0.1']]), aSet('b', [['b', 'A', '10.0.0.2']])]);
  const groupOf = (name: string) => index.answer({ name: inDomain(name), type: 'A' }).answers[0];
  const before = [groupOf('a'), groupOf('b')];
  index.upsert(aSet('a', [['a', 'A', '10.0.0.1']]));
  index.upsert(aSet('b', [['b', 'A', '10.0.0.3']]));
  index.setClusters([aCluster()], 2);
  expect(groupOf('a')).toBe(before[0]);
  expect(groupOf('b')).not.toBe(before[1]);
});

/** Changes of few services with few names, so that they collide a lot. */
const change = fc.record({
  service: fc.constantFrom('s1', 's2', 's3'),
  records: fc.array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'x.a', 'y.x.a', '1.0.0.10.in-addr.arpa.', 'x.elsewhere.'),
      fc.constantFrom('10.0.0.1', '10.0.0.2'),
    ),
    { maxLength: 4 },
  ),
  isRemoved: fc.boolean(),
});

type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

function applyChange(index: ZoneIndex, state: Map<string, RecordSet>, { service, records, isRemoved }: Change): void {
  const set = aSet(
    service,
    records.map(([name, data]) => [name, 'A', data]),
  );
  if (isRemoved) {
    index.remove(set);
    state.delete(service);
  } else {
    index.upsert(set);
    state.set(service, set);
  }
}

test('after any changes the zones are those of a fresh assembly', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), fc.array(change, { maxLength: 8 }), (unseen, seen) => {
      const index = new ZoneIndex(TTL);
      const state = new Map<string, RecordSet>();
      for (const one of unseen) applyChange(index, state, one);
      index.setClusters([aCluster()], 3);
      for (const one of seen) applyChange(index, state, one);
      index.setClusters([aCluster()], 9);
      const fresh = assembleZones({ domain: 'cluster.local', revision: 9, ...TTL, recordSets: [...state.values()] });
      for (const zone of fresh) {
        expect(mergeRecords((index.zoneGroups(zone.name) ?? []).flat())).toEqual(zone.records);
      }
      const names = fresh.flatMap((zone) => zone.records.map(({ name }) => name));
      for (const name of ['a', 'b', 'x.a', 'y.x.a', 'z'].map(inDomain)) {
        const exists = names.some((known) => known === name || known.endsWith(`.${name}`));
        expect(index.answer({ name, type: 'TXT' }).code).toBe(exists ? 'NOERROR' : 'NXDOMAIN');
      }
    }),
  );
});
