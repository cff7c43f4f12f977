import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleZones, serialOf } from './assemble-zones.ts';
import { zoneFileText } from './zone-file-text.ts';

const key = { cluster: 'shop', namespace: 'shop', name: 'web' };
const input = { domain: 'cluster.local', revision: 7, ttlSeconds: 30, serverAddresses: ['10.96.0.10', 'fd00::a'] };

function aSet(...records: DnsRecord[]): RecordSet {
  return { ...key, records };
}

function anAddress(name: string, address: string, ttlSeconds = 30): DnsRecord {
  return { name, ttlSeconds, type: 'A', address };
}

function linesOf(recordSets: RecordSet[]): string[] {
  const apex = new Set(textLines([]));
  return textLines(recordSets).filter((line) => !apex.has(line));
}

function textLines(recordSets: RecordSet[]): string[] {
  return assembleZones({ ...input, recordSets }).flatMap((zone) => zoneFileText(zone).split('\n').slice(2));
}

test('the apex, and no reverse zone without records', () => {
  const zones = assembleZones({ ...input, recordSets: [] });
  expect(zones.map(zoneFileText)).toEqual([
    [
      '; zone cluster.local. serial 7',
      '$ORIGIN cluster.local.',
      'cluster.local.\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30',
      'cluster.local.\t30\tIN\tNS\tns.dns.cluster.local.',
      'ns.dns.cluster.local.\t30\tIN\tA\t10.96.0.10',
      'ns.dns.cluster.local.\t30\tIN\tAAAA\tfd00::a',
      'dns-version.cluster.local.\t28800\tIN\tTXT\t"1.1.0"',
      '',
    ].join('\n'),
  ]);
});

test('a reverse zone has an apex of its own', () => {
  const pointer: DnsRecord = {
    name: '1.0.0.10.in-addr.arpa.',
    ttlSeconds: 30,
    type: 'PTR',
    target: 'web.cluster.local.',
  };
  const [, reverse] = assembleZones({ ...input, recordSets: [aSet(pointer)] });
  expect(reverse?.name).toBe('in-addr.arpa.');
  expect(reverse?.records.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'in-addr.arpa. SOA',
    'in-addr.arpa. NS',
    '1.0.0.10.in-addr.arpa. PTR',
    'ns.dns.in-addr.arpa. A',
    'ns.dns.in-addr.arpa. AAAA',
  ]);
});

describe('records of a zone', () => {
  test.for<{ name: string; records: DnsRecord[]; lines: string[] }>([
    {
      name: 'are merged when equal',
      records: [anAddress('a.cluster.local.', '10.0.0.1'), anAddress('A.cluster.local', '10.0.0.1')],
      lines: ['a.cluster.local.\t30\tIN\tA\t10.0.0.1'],
    },
    {
      name: 'of one name and type share the lowest TTL',
      records: [anAddress('a.cluster.local.', '10.0.0.1', 60), anAddress('a.cluster.local.', '10.0.0.2', 20)],
      lines: ['a.cluster.local.\t20\tIN\tA\t10.0.0.1', 'a.cluster.local.\t20\tIN\tA\t10.0.0.2'],
    },
    {
      name: 'stand in canonical order of names, parents first',
      records: ['b', 'a-2', 'x.a', 'a'].map((name) => anAddress(`${name}.cluster.local.`, '10.0.0.1')),
      lines: ['a', 'x.a', 'a-2', 'b'].map((name) => `${name}.cluster.local.\t30\tIN\tA\t10.0.0.1`),
    },
    {
      name: 'that no zone may hold are left out',
      records: [
        anAddress('a.example.com.', '10.0.0.1'),
        anAddress('a b.cluster.local.', '10.0.0.1'),
        anAddress('a..cluster.local.', '10.0.0.1'),
        anAddress(`${'a'.repeat(64)}.cluster.local.`, '10.0.0.1'),
        anAddress('a.cluster.local.', '10.0.0.1 ; evil'),
        anAddress('a.cluster.local.', 'fd00::1'),
        anAddress('a.cluster.local.', '10.0.0.1', -1),
        { name: 'a.cluster.local.', ttlSeconds: 30, type: 'CNAME', target: 'evil.\n$INCLUDE /etc/passwd' },
        { name: 'a.cluster.local.', ttlSeconds: 30, type: 'SRV', priority: 0, weight: 0, port: 70_000, target: 'b.' },
        { name: 'a.cluster.local.', ttlSeconds: 30, type: 'TXT', text: [] },
      ],
      lines: [],
    },
    {
      name: 'escape text: quotes, backslashes, control characters, UTF-8, and cut it at 255 octets',
      records: [
        { name: 'a.cluster.local.', ttlSeconds: 30, type: 'TXT', text: ['say "hi" \\ \n ü', '', 'x'.repeat(256)] },
      ],
      lines: [`a.cluster.local.\t30\tIN\tTXT\t"say \\"hi\\" \\\\ \\010 \\195\\188" "" "${'x'.repeat(255)}" "x"`],
    },
  ])('$name', ({ records, lines }) => {
    expect(linesOf([aSet(...records)])).toEqual(lines);
  });

  test('do not depend on the order of record sets', () => {
    const sets = Array.from({ length: 6 }, (_, index) => ({
      ...aSet(anAddress(`s${index % 3}.cluster.local.`, `10.0.0.${index}`, index)),
      name: `s${index}`,
    }));
    fc.assert(
      fc.property(fc.shuffledSubarray(sets, { minLength: sets.length }), (shuffled) => {
        expect(assembleZones({ ...input, recordSets: shuffled })).toEqual(
          assembleZones({ ...input, recordSets: sets }),
        );
      }),
    );
  });
});

test.for([
  [0, 1],
  [1, 1],
  [2 ** 32 - 1, 2 ** 32 - 1],
  [2 ** 32, 1],
  [2 ** 32 + 5, 5],
])('revision %i has serial %i', ([revision, serial]) => {
  expect(serialOf(revision ?? 0)).toBe(serial);
});
