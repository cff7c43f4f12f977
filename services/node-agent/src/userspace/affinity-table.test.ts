import { describe, expect, test } from 'vitest';
import { AffinityTable } from './affinity-table.ts';

function tableAt(clock: { ms: number }, maxClients = 10): AffinityTable {
  return new AffinityTable({ maxClients, now: () => clock.ms });
}

describe('a table of clients and their endpoints', () => {
  test('knows a client until the timeout after its last connection', () => {
    const clock = { ms: 0 };
    const table = tableAt(clock);
    table.remember('192.0.2.1', 'a', 1000);
    clock.ms = 999;
    expect(table.endpointOf('192.0.2.1', 1000)).toBe('a');
    table.remember('192.0.2.1', 'a', 1000);
    clock.ms = 1998;
    expect(table.endpointOf('192.0.2.1', 1000)).toBe('a');
    clock.ms = 1999;
    expect(table.endpointOf('192.0.2.1', 1000)).toBeUndefined();
  });

  test('forgets the quietest client when there are too many', () => {
    const table = tableAt({ ms: 0 }, 2);
    table.remember('1', 'a', 1000);
    table.remember('2', 'a', 1000);
    table.remember('1', 'a', 1000);
    table.remember('3', 'a', 1000);
    expect(['1', '2', '3'].map((client) => table.endpointOf(client, 1000))).toEqual(['a', undefined, 'a']);
    expect(table.size).toBe(2);
  });

  test('lets go of clients whose time is over, without being asked about them', () => {
    const clock = { ms: 0 };
    const table = tableAt(clock);
    for (const client of ['1', '2', '3']) table.remember(client, 'a', 1000);
    clock.ms = 1000;
    table.remember('4', 'a', 1000);
    expect(table.size).toBe(1);
  });
});
