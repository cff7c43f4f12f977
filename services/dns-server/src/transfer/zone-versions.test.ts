import { ZoneIndex } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { ZoneVersions } from './zone-versions.ts';

const ZONE = 'cluster.local.';

function aLab() {
  const index = new ZoneIndex({ ttlSeconds: 30 });
  const versions = new ZoneVersions(index);
  const announced: string[][] = [];
  versions.onChange((zones) => announced.push([...zones]));
  const serve = (
    revision: number,
    address: string,
    { isExact = true, isSynced = true, others = [] as string[] } = {},
  ) => {
    const record = { name: `web.${ZONE}`, ttlSeconds: 30, type: 'A' as const, address };
    index.upsert({ cluster: 'shop', namespace: 'ns', name: 'web', records: [record] });
    const all = [{ name: 'shop', domain: 'cluster.local', isSynced }];
    index.setClusters(
      [...all, ...others.map((name) => ({ name, domain: `${name}.example`, isSynced: true }))],
      revision,
    );
    versions.advance({ isExact });
  };
  /** Addresses out and in since a serial, `?` where it is not known. */
  const since = (serial: number): string => {
    const delta = versions.version(ZONE)?.since(serial);
    const text = (records: readonly object[]) => records.map((one) => ('address' in one ? one.address : '')).join();
    return delta === undefined ? '?' : `-${text(delta.removed)} +${text(delta.added)}`;
  };
  return { index, versions, serve, since, announced };
}

describe('deltas', () => {
  test('start from what was served after the start, not from what was found then', () => {
    const { serve, since } = aLab();
    serve(1, '10.0.0.1');
    serve(2, '10.0.0.2');
    serve(3, '10.0.0.3');
    expect([since(1), since(2), since(3)]).toEqual(['?', '-10.0.0.2 +10.0.0.3', '- +']);
  });

  test('do not start from a state that had more than its revision, which is not given away either', () => {
    const { serve, since, versions } = aLab();
    for (const revision of [1, 2, 3]) serve(revision, `10.0.0.${revision}`);
    serve(4, '10.0.0.4', { isExact: false });
    expect(versions.version(ZONE)).toBeUndefined();
    serve(5, '10.0.0.5');
    serve(6, '10.0.0.6');
    expect([since(3), since(4), since(5)]).toEqual(['?', '?', '-10.0.0.5 +10.0.0.6']);
  });

  test('begin anew for a zone that was away', () => {
    const { serve, since, versions } = aLab();
    for (const revision of [1, 2, 3]) serve(revision, `10.0.0.${revision}`);
    serve(4, '10.0.0.4', { isSynced: false });
    expect(versions.version(ZONE)).toBeUndefined();
    serve(5, '10.0.0.5');
    expect([since(3), versions.version(ZONE)?.soa.serial]).toEqual(['?', 5]);
  });

  test('begin anew when there are other zones, to which names may have moved', () => {
    const { serve, since } = aLab();
    for (const revision of [1, 2, 3]) serve(revision, `10.0.0.${revision}`);
    serve(4, '10.0.0.4', { others: ['b'] });
    expect(since(3)).toBe('?');
  });
});

test('nothing is given away while the index is ahead of what was announced', () => {
  const { serve, index, versions } = aLab();
  serve(1, '10.0.0.1');
  index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 2);
  expect(versions.version(ZONE)).toBeUndefined();
  versions.advance({ isExact: true });
  expect(versions.version(ZONE)?.soa.serial).toBe(2);
});

test('a zone is announced when more than its serial changed, and once it is exact', () => {
  const { serve, announced } = aLab();
  serve(1, '10.0.0.1');
  serve(2, '10.0.0.1');
  serve(3, '10.0.0.3', { isExact: false });
  serve(4, '10.0.0.3');
  expect(announced.map((zones) => zones.includes(ZONE))).toEqual([true, true]);
  expect(announced[1]).toEqual([ZONE]);
});
