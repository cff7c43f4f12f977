/** The programs, in the hands of the real awk. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { addressChanges, SEPARATOR, serverChanges, serverUpdates } from './live-changes.ts';

function awk(program: string, present: readonly string[], wanted: readonly string[]): string[] {
  const input = [...present, SEPARATOR, ...wanted, ''].join('\n');
  const { status, stdout, stderr } = spawnSync('awk', [program], { input, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((line) => line !== '');
}

const HEADER = [
  'IP Virtual Server version 1.2.1 (size=4096)',
  'Prot LocalAddress:Port Scheduler Flags',
  '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
];
const WEB = '-A -t 10.96.0.10:80 -s rr';
const WEB_1 = '-a -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 1';
const WEB_2 = '-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1';

function listed(server: string, ...reals: string[]): string[] {
  return [server, ...reals.map((real) => `  -> ${real}`)];
}

describe('virtual servers', () => {
  const web = listed('TCP  10.96.0.10:80 rr', '10.244.1.1:8080 Masq 1 3 0', '10.244.1.2:8080 Masq 1 0 4');

  test.for<{ name: string; present: string[]; wanted: string[]; expected: string[] }>([
    { name: 'that are as wanted are left alone', present: web, wanted: [WEB, WEB_1, WEB_2], expected: [] },
    { name: 'that are new are added in their order', present: [], wanted: [WEB, WEB_1], expected: [WEB, WEB_1] },
    {
      name: 'with another scheduler or affinity are edited',
      present: [
        ...listed('TCP  10.96.0.10:80 rr', '10.244.1.1:8080 Masq 1 0 0'),
        ...listed('UDP  10.96.0.11:53 wrr persistent 10'),
        ...listed('SCTP 10.96.0.12:99 rr persistent 10'),
      ],
      wanted: [
        '-A -t 10.96.0.10:80 -s wrr -p 60',
        WEB_1,
        '-A -u 10.96.0.11:53 -s wrr',
        '-A --sctp-service 10.96.0.12:99 -s rr -p 10',
      ],
      expected: ['-E -t 10.96.0.10:80 -s wrr -p 60', '-E -u 10.96.0.11:53 -s wrr'],
    },
    {
      name: 'whose endpoint has another weight keep it, with that weight',
      present: web,
      wanted: [WEB, WEB_1.replace('-w 1', '-w 5'), WEB_2],
      expected: ['-e -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 5'],
    },
    {
      name: 'give an endpoint without connections away at once',
      present: web,
      wanted: [WEB, WEB_1],
      expected: ['-d -t 10.96.0.10:80 -r 10.244.1.2:8080'],
    },
    {
      name: 'let the connections of an endpoint end before they give it away',
      present: web,
      wanted: [WEB, WEB_2],
      expected: ['-e -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 0'],
    },
    {
      name: 'say so only once',
      present: listed('TCP  10.96.0.10:80 rr', '10.244.1.1:8080 Masq 0 3 0'),
      wanted: [WEB],
      expected: [],
    },
    {
      name: 'use an endpoint that comes back while it was drained',
      present: listed('TCP  10.96.0.10:80 rr', '10.244.1.1:8080 Masq 0 3 0'),
      wanted: [WEB, WEB_1],
      expected: ['-e -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 1'],
    },
    {
      name: 'of UDP give an endpoint away in spite of its flows',
      present: listed('UDP  10.96.0.10:53 rr', '10.244.1.1:5353 Masq 1 7 0'),
      wanted: ['-A -u 10.96.0.10:53 -s rr'],
      expected: ['-d -u 10.96.0.10:53 -r 10.244.1.1:5353'],
    },
    { name: 'that are gone are deleted as a whole', present: web, wanted: [], expected: ['-D -t 10.96.0.10:80'] },
    {
      name: 'of the other family and by firewall mark are not ours',
      present: [
        ...listed('TCP  [fd00:96::10]:80 rr', '[fd00:244::1]:8080 Masq 1 0 0'),
        ...listed('FWM  1 rr', '10.9.9.9:0 Masq 1 0 0'),
      ],
      wanted: [],
      expected: [],
    },
  ])('$name', ({ present, wanted, expected }) => {
    expect(awk(serverChanges('IPv4'), [...HEADER, ...present], wanted)).toEqual(expected);
  });

  test('of IPv6 are told by their brackets', () => {
    const present = [...web, ...listed('TCP  [fd00:96::10]:80 rr', '[fd00:244::1]:8080 Masq 1 0 0')];
    const wanted = ['-A -t [fd00:96::10]:80 -s rr', '-a -t [fd00:96::10]:80 -r [fd00:244::2]:8080 -m -w 1'];
    expect(awk(serverChanges('IPv6'), [...HEADER, ...present], wanted)).toEqual([
      '-a -t [fd00:96::10]:80 -r [fd00:244::2]:8080 -m -w 1',
      '-d -t [fd00:96::10]:80 -r [fd00:244::1]:8080',
    ]);
  });
});

test('an update drains what has connections, uses again what was drained, and leaves its other lines as they are', () => {
  const present = [
    ...listed('TCP  10.96.0.10:80 rr', '10.244.1.1:8080 Masq 1 3 0', '10.244.1.2:8080 Masq 1 0 4'),
    ...listed('TCP  10.96.0.11:80 rr', '10.244.1.1:8080 Masq 0 1 0'),
    ...listed('UDP  10.96.0.10:53 rr', '10.244.1.1:5353 Masq 1 7 0'),
  ];
  const update = [
    '-a -t 10.96.0.11:80 -r 10.244.1.1:8080 -m -w 1',
    '-a -t 10.96.0.11:80 -r 10.244.1.3:8080 -m -w 1',
    '-E -t 10.96.0.11:80 -s rr -p 10',
    '-d -t 10.96.0.10:80 -r 10.244.1.1:8080',
    '-d -t 10.96.0.10:80 -r 10.244.1.2:8080',
    '-d -u 10.96.0.10:53 -r 10.244.1.1:5353',
    '-D -t 10.96.0.12:80',
  ];
  expect(awk(serverUpdates('IPv4'), [...HEADER, ...present], update)).toEqual([
    '-e -t 10.96.0.11:80 -r 10.244.1.1:8080 -m -w 1',
    '-a -t 10.96.0.11:80 -r 10.244.1.3:8080 -m -w 1',
    '-E -t 10.96.0.11:80 -s rr -p 10',
    '-e -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 0',
    '-d -t 10.96.0.10:80 -r 10.244.1.2:8080',
    '-d -u 10.96.0.10:53 -r 10.244.1.1:5353',
    '-D -t 10.96.0.12:80',
  ]);
});

test('addresses that are missing are added, those that are not wanted removed, the others left alone', () => {
  const wanted = ['10.96.0.10', '10.96.0.11'].map((address) => `addr add ${address}/32 dev kube-ipvs0`);
  expect(awk(addressChanges('kube-ipvs0'), ['10.96.0.10/32', '10.96.0.9/32'], wanted)).toEqual([
    'addr add 10.96.0.11/32 dev kube-ipvs0',
    'addr del 10.96.0.9/32 dev kube-ipvs0',
  ]);
});
