import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ZoneIndex } from '../zone-index.ts';
import { isLaterSerial } from './serials.ts';
import { combineDeltas, diffGroups, EMPTY_DELTA, type ZoneDelta } from './zone-delta.ts';
import { type HistoryLimits, ZoneHistory } from './zone-history.ts';

const LIMITS: HistoryLimits = { maxSerials: 1000, maxBytes: 1_000_000 };
const ZONE = 'cluster.local.';

describe('serials', () => {
  test.for<[left: number, right: number, isLater: boolean]>([
    [2, 1, true],
    [1, 2, false],
    [1, 1, false],
    [0, 2 ** 32 - 1, true],
    [2 ** 32 - 1, 0, false],
    [2 ** 31 - 1, 0, true],
    [2 ** 31, 0, false],
    [0, 2 ** 31, false],
    [100, 2 ** 31 + 101, true],
  ])('%d after %d: %s', ([left, right, isLater]) => {
    expect(isLaterSerial(left, right)).toBe(isLater);
  });
});

function aRecord(address: string, ttlSeconds = 30): DnsRecord {
  return { name: `web.${ZONE}`, ttlSeconds, type: 'A', address };
}

describe('deltas', () => {
  test('another TTL is one record out and one in', () => {
    const delta = diffGroups([[aRecord('10.0.0.1', 5)]], [[aRecord('10.0.0.1', 60)]]);
    expect(delta).toEqual({ removed: [aRecord('10.0.0.1', 5)], added: [aRecord('10.0.0.1', 60)] });
  });

  test('what comes and goes again leaves nothing', () => {
    const comes = { removed: [], added: [aRecord('10.0.0.1')] };
    const goes = { removed: [aRecord('10.0.0.1')], added: [] };
    expect(combineDeltas([comes, goes])).toEqual(EMPTY_DELTA);
    expect(combineDeltas([goes, comes])).toEqual(EMPTY_DELTA);
  });

  test('the SOA is no part of them', () => {
    const soa = { mname: 'a.', rname: 'b.', refreshSeconds: 1, retrySeconds: 1, expireSeconds: 1, minimumSeconds: 1 };
    const aSoa = (serial: number): DnsRecord => ({ name: ZONE, ttlSeconds: 30, type: 'SOA', serial, ...soa });
    expect(diffGroups([[aSoa(1)]], [[aSoa(2)]])).toEqual(EMPTY_DELTA);
  });
});

describe('history', () => {
  const adds = (address: string): ZoneDelta => ({ removed: [], added: [aRecord(address)] });

  test('begins with the first serial, and knows only serials that were served', () => {
    const history = new ZoneHistory(LIMITS);
    expect(history.since(1)).toBeUndefined();
    history.advance(1, adds('10.0.0.1'));
    history.advance(5, adds('10.0.0.5'));
    expect([history.since(5), history.since(1), history.since(3)]).toEqual([EMPTY_DELTA, adds('10.0.0.5'), undefined]);
  });

  test('goes on over the largest serial', () => {
    const history = new ZoneHistory(LIMITS);
    history.advance(2 ** 32 - 1, EMPTY_DELTA);
    history.advance(3, adds('10.0.0.3'));
    expect(history.since(2 ** 32 - 1)).toEqual(adds('10.0.0.3'));
  });

  test.for<[name: string, serial: number, delta: ZoneDelta]>([
    ['the same serial with other records', 5, adds('10.0.0.9')],
    ['an earlier serial', 4, EMPTY_DELTA],
  ])('%s: all is forgotten, and nothing is built upon it', ([, serial, delta]) => {
    const history = new ZoneHistory(LIMITS);
    history.advance(1, EMPTY_DELTA);
    history.advance(5, adds('10.0.0.5'));
    history.advance(serial, delta);
    expect([1, 4, 5].map((known) => history.since(known))).toEqual([undefined, undefined, undefined]);
    history.advance(6, adds('10.0.0.6'));
    expect([history.since(5), history.since(6)]).toEqual([undefined, EMPTY_DELTA]);
    expect(history.bytes).toBe(0);
  });

  test('the same serial once more changes nothing', () => {
    const history = new ZoneHistory(LIMITS);
    history.advance(1, EMPTY_DELTA);
    history.advance(2, adds('10.0.0.2'));
    history.advance(2, EMPTY_DELTA);
    expect(history.since(1)).toEqual(adds('10.0.0.2'));
  });

  test.for<[name: string, limits: HistoryLimits]>([
    ['serials', { maxSerials: 4, maxBytes: 1_000_000 }],
    ['bytes', { maxSerials: 1000, maxBytes: 1000 }],
  ])('is bounded in %s, the oldest go first', ([, limits]) => {
    const history = new ZoneHistory(limits);
    for (let serial = 1; serial <= 100; serial += 1) history.advance(serial, adds(`10.0.0.${serial}`));
    expect([history.since(96), history.since(97)?.added.length]).toEqual([undefined, 3]);
    expect(history.bytes).toBeLessThanOrEqual(1000);
  });
});

test('serials under which nothing changed are all known, as far as the limit goes', () => {
  const history = new ZoneHistory({ maxSerials: 10, maxBytes: 1_000_000 });
  for (let serial = 1; serial <= 20; serial += 1) history.advance(serial, EMPTY_DELTA);
  expect([history.since(10), history.since(11), history.since(20)]).toEqual([undefined, EMPTY_DELTA, EMPTY_DELTA]);
  expect(history.bytes).toBe(0);
});

/** Services that share names, so that records of several owners are merged and one TTL wins. */
const aChange = fc.record({
  service: fc.integer({ min: 0, max: 4 }),
  records: fc.array(
    fc.record({
      host: fc.integer({ min: 0, max: 3 }),
      last: fc.integer({ min: 1, max: 4 }),
      ttl: fc.constantFrom(5, 30),
    }),
    { maxLength: 4 },
  ),
});

test('what a zone was and the delta since then make what it is', () => {
  fc.assert(
    fc.property(fc.array(fc.array(aChange, { maxLength: 3 }), { minLength: 2, maxLength: 12 }), (revisions) => {
      const index = new ZoneIndex({ ttlSeconds: 30 });
      const history = new ZoneHistory(LIMITS);
      const versions: Set<string>[] = [];
      for (const [revision, changes] of revisions.entries()) {
        for (const { service, records } of changes) index.upsert(aRecordSet(service, records));
        index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], revision + 1);
        history.advance(revision + 1, takeDelta(index));
        versions.push(zoneLines(index));
      }
      for (const [at, version] of versions.entries()) {
        const delta = history.since(at + 1);
        expect(applied(version, delta)).toEqual(versions.at(-1));
      }
    }),
  );
});

type RecordInput = Readonly<Record<'host' | 'last' | 'ttl', number>>;

function aRecordSet(service: number, inputs: readonly RecordInput[]): RecordSet {
  const records = inputs.map(({ host, last, ttl }): DnsRecord => {
    return { name: `h${host}.${ZONE}`, ttlSeconds: ttl, type: 'A', address: `10.0.0.${last}` };
  });
  return { cluster: 'shop', namespace: 'ns', name: `web-${service}`, records };
}

function takeDelta(index: ZoneIndex): ZoneDelta {
  const changes = index.takeChanges().filter(({ zone }) => zone === ZONE);
  return combineDeltas(changes.map(({ name, before }) => diffGroups(before, index.groupsAt(name))));
}

function zoneLines(index: ZoneIndex): Set<string> {
  const records = (index.zoneGroups(ZONE) ?? []).flat().filter(({ type }) => type !== 'SOA');
  return new Set(records.map((record) => JSON.stringify(record)));
}

/** Strict, as BIND and Knot are: nothing is removed that is not there, nothing added that is. */
function applied(version: ReadonlySet<string>, delta: ZoneDelta | undefined): Set<string> {
  const result = new Set(version);
  for (const record of delta?.removed ?? []) expect(result.delete(JSON.stringify(record))).toBe(true);
  for (const record of delta?.added ?? []) {
    const line = JSON.stringify(record);
    expect(result.has(line)).toBe(false);
    result.add(line);
  }
  return result;
}
