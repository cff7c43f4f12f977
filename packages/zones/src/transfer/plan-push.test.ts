import type { DnsRecord } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupChanges, type NameChange, type PushPlan, planBlindly, planDelta, planReconcile } from './plan-push.ts';
import { nameMarker } from './push-markers.ts';
import { encodeUpdate, type UpdateRecord } from './update-message.ts';
import { type WireRecord, wireRecord, wireRecordId } from './wire-records.ts';
import { combineDeltas } from './zone-delta.ts';

const SCOPE = { zone: 'cluster.local.', owner: 'signalbox' };

/** Another server's zone, as RFC 2136 §3 has it treat prerequisites and changes. */
class TargetZone {
  readonly #records = new Map<string, WireRecord>();

  constructor(records: readonly WireRecord[]) {
    for (const record of records) this.#records.set(wireRecordId(record), record);
  }

  get records(): WireRecord[] {
    return [...this.#records.values()];
  }

  apply({ changes }: PushPlan): void {
    for (const change of changes) this.#applyChange(change);
  }

  #applyChange(change: NameChange): void {
    if (change.prerequisites.every((prerequisite) => this.#holds(prerequisite))) {
      for (const one of change.changes) this.#change(one);
    } else if (change.otherwise !== undefined) this.#applyChange(change.otherwise);
  }

  #holds({ name, type, recordClass, data }: UpdateRecord): boolean {
    if (recordClass === 254) return !this.records.some((record) => record.name === name);
    const found = this.records.filter((record) => record.name === name && record.type === type);
    return found.length === 1 && found[0] !== undefined && Buffer.compare(found[0].data, data) === 0;
  }

  #change(change: UpdateRecord): void {
    const id = wireRecordId(change);
    if (change.recordClass === 1) this.#records.set(id, change);
    else if (change.recordClass === 254) this.#records.delete(id);
    else for (const one of this.records) if (one.name === change.name && one.type === change.type) this.#delete(one);
  }

  #delete(record: WireRecord): void {
    this.#records.delete(wireRecordId(record));
  }
}

function anAddress(host: string, address: string, ttlSeconds = 30): DnsRecord {
  return { name: `${host}.cluster.local.`, ttlSeconds, type: 'A', address };
}

/** `NAME TTL TYPE DATA`, sorted, without markers. */
function lines(records: readonly WireRecord[]): string[] {
  const visible = records.filter(({ name }) => !name.startsWith('_signalbox.'));
  return visible.map((record) => `${wireRecordId(record)} ${record.ttlSeconds}`).sort();
}

const aZone = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 4 })), {
    selector: String,
    maxLength: 12,
  })
  .chain((pairs) =>
    fc.constantFrom(5, 60).map((ttl) => pairs.map(([host, last]) => anAddress(`h${host}`, `10.0.0.${last}`, ttl))),
  );

const FOREIGN = [anAddress('h0', '192.0.2.1'), anAddress('admin', '192.0.2.2')].map(wireRecord);
const notH0 = ({ name }: DnsRecord) => name !== 'h0.cluster.local.';

describe('a plan, applied', () => {
  test('gives what is wanted beside what is foreign', () => {
    fc.assert(
      fc.property(aZone, aZone, (before, after) => {
        const target = new TargetZone(FOREIGN);
        target.apply(planReconcile(SCOPE, before, target.records));
        target.apply(planReconcile(SCOPE, after, target.records));
        expect(lines(target.records)).toEqual(lines([...after.filter(notH0).map(wireRecord), ...FOREIGN]));
      }),
    );
  });

  test('blindly gives the same, except that names stay which are not wanted any more', () => {
    fc.assert(
      fc.property(aZone, aZone, (before, after) => {
        const target = new TargetZone(FOREIGN);
        target.apply(planBlindly(SCOPE, before));
        target.apply(planBlindly(SCOPE, after));
        const wanted = new Set(after.map(({ name }) => name));
        const stays = before.filter(({ name }) => !wanted.has(name));
        const expected = [...after, ...stays].filter(notH0).map(wireRecord);
        expect(lines(target.records)).toEqual(lines([...expected, ...FOREIGN]));
      }),
    );
  });

  test('by deltas is the same as by comparing', () => {
    fc.assert(
      fc.property(fc.array(aZone, { minLength: 2, maxLength: 5 }), (versions) => {
        const target = new TargetZone([]);
        let before: DnsRecord[] = [];
        for (const version of versions) {
          const delta = combineDeltas([{ removed: before, added: version }]);
          target.apply(planDelta(SCOPE, delta, (name) => version.filter((record) => record.name === name)));
          expect(lines(target.records)).toEqual(lines(version.map(wireRecord)));
          expect(planReconcile(SCOPE, version, target.records).changes).toEqual([]);
          before = version;
        }
      }),
    );
  });
});

describe('a comparison', () => {
  test('leaves the apex, our own server and other zones alone', () => {
    const apex: DnsRecord = { name: 'cluster.local.', ttlSeconds: 30, type: 'NS', target: 'ns.dns.cluster.local.' };
    const desired = [
      apex,
      anAddress('ns.dns', '10.96.0.10'),
      { ...anAddress('a', '10.0.0.1'), name: 'a.example.com.' },
    ];
    expect(planReconcile(SCOPE, desired, [])).toEqual({ changes: [], skipped: [] });
  });

  test('takes of our zone what is below the one there', () => {
    const pointer = { ttlSeconds: 30, type: 'PTR', target: 'web.cluster.local.' } as const;
    const desired = ['1.0.96.10.in-addr.arpa.', '1.0.97.10.in-addr.arpa.'].map((name) => ({ ...pointer, name }));
    const plan = planReconcile({ ...SCOPE, zone: '96.10.in-addr.arpa.' }, desired, []);
    expect(plan.changes.map(({ name }) => name)).toEqual(['1.0.96.10.in-addr.arpa.']);
  });

  test('takes away what is marked and not wanted, other types and other owners aside', () => {
    const mine = [wireRecord(anAddress('old', '10.0.0.1')), nameMarker('old.cluster.local.', 'signalbox')];
    const other = [wireRecord(anAddress('b', '10.0.0.2')), nameMarker('b.cluster.local.', 'somebody')];
    const place: WireRecord = {
      name: 'old.cluster.local.',
      type: 29,
      ttlSeconds: 30,
      data: Uint8Array.from([0, 1, 0]),
    };
    const target = new TargetZone([...mine, ...other, place]);
    target.apply(planReconcile(SCOPE, [], target.records));
    expect(target.records).toEqual([...other, place]);
  });

  test('names what is foreign, and what is too long to be marked', () => {
    const long = `${`${'a'.repeat(60)}.`.repeat(3)}${'b'.repeat(46)}`;
    const plan = planReconcile(SCOPE, [anAddress('h0', '10.0.0.1'), anAddress(long, '10.0.0.1')], FOREIGN);
    expect(plan).toEqual({ changes: [], skipped: [`${long}.cluster.local.`, 'h0.cluster.local.'] });
  });

  test('a signing server has made no name its own', () => {
    const nsec: WireRecord = { name: 'a.cluster.local.', type: 47, ttlSeconds: 30, data: new Uint8Array() };
    expect(planReconcile(SCOPE, [anAddress('a', '10.0.0.1')], [nsec])).toMatchObject({ skipped: [] });
  });
});

test('a name with more records than a message holds is changed in parts, never two in one message', () => {
  const many = Array.from({ length: 4000 }, (_, index) => anAddress('many', `10.0.${index >> 8}.${index & 255}`));
  const { changes } = planReconcile(SCOPE, many, []);
  expect(changes.length).toBeGreaterThan(3);
  const groups = groupChanges([...changes, ...planReconcile(SCOPE, [anAddress('a', '10.0.0.1')], []).changes], 32_768);
  for (const group of groups) {
    expect(new Set(group.map(({ name }) => name)).size).toBe(group.length);
    const prerequisites = group.flatMap((change) => change.prerequisites);
    const all = group.flatMap((change) => change.changes);
    expect(encodeUpdate({ id: 1, zone: SCOPE.zone, prerequisites, changes: all }).length).toBeLessThan(40_000);
  }
  const target = new TargetZone([]);
  target.apply({ changes, skipped: [] });
  expect(lines(target.records)).toEqual(lines(many.map(wireRecord)));
});
