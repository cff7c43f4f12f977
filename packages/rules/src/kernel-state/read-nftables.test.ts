import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readNftables } from './read-nftables.ts';

const READ = { family: 'IPv4', podSources: ['10.244.0.0/16'] } as const;
const TABLE = { family: 'ip', table: 'signalbox' };

function listed(...objects: readonly object[]): string {
  return JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6' } }, ...objects] });
}

test('no table is a state without services', () => {
  const state = readNftables('', 'signalbox', READ);
  expect([state.frontends.size, state.structure.size, state.unreadable]).toEqual([0, 0, 0]);
});

test('objects of no known kind, and rules of no chain, are counted', () => {
  const text = listed(
    { quota: { ...TABLE, name: 'x' } },
    { rule: { ...TABLE, chain: 'nowhere', expr: [] } },
    { chain: { ...TABLE, name: 'services' } },
  );
  expect(readNftables(text, 'signalbox', READ).unreadable).toBe(2);
});

test("other tables' objects are not looked at", () => {
  const text = listed({ chain: { family: 'ip', table: 'other', name: 'services', hook: 'input' } });
  expect(readNftables(text, 'signalbox', READ).structure.size).toBe(0);
});

test('chains that lead to each other in a circle end', () => {
  const goto = (chain: string, target: string) => ({ rule: { ...TABLE, chain, expr: [{ goto: { target } }] } });
  const key = { concat: ['10.96.0.1', 'tcp', 80] };
  const text = listed(
    { chain: { ...TABLE, name: 'internal-1' } },
    { chain: { ...TABLE, name: 'internal-2' } },
    goto('internal-1', 'internal-2'),
    goto('internal-2', 'internal-1'),
    { map: { ...TABLE, name: 'service-ips', elem: [[key, { goto: { target: 'internal-1' } }]] } },
  );
  expect(readNftables(text, 'signalbox', READ).frontends.get('tcp 10.96.0.1:80')?.routes.size).toBe(0);
});

test('whatever JSON a kernel lists, reading it ends without an error', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const name = fc.constantFrom('services', 'internal-1', 'endpoints-tcp', 'service-ips', 'affinity', 'hairpin');
  const statement = fc.record({
    kind: fc.constantFrom('match', 'dnat', 'goto', 'vmap', 'set', 'mangle'),
    content: json,
  });
  const object = fc.oneof(
    fc.record({ name, elem: json }).map((part) => ({ map: { ...TABLE, ...part } })),
    name.map((chain) => ({ chain: { ...TABLE, name: chain } })),
    fc.record({ chain: name, statements: fc.array(statement, { maxLength: 3 }) }).map(({ chain, statements }) => ({
      rule: { ...TABLE, chain, expr: statements.map(({ kind, content }) => ({ [kind]: content })) },
    })),
  );
  fc.assert(
    fc.property(fc.array(object, { maxLength: 8 }), (objects) => {
      expect(readNftables(listed(...objects), 'signalbox', READ).family).toBe('IPv4');
    }),
  );
});
