import type { TsigKey } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { parseNotifyTargets, parsePushTargets } from './settings.ts';
import { TransferRules } from './transfer-rules.ts';

const KEY: TsigKey = { name: 'k.example.', algorithm: 'hmac-sha256', secret: new Uint8Array(32), macBytes: 32 };
const OTHER: TsigKey = { ...KEY, name: 'other.' };
const KEYS = [KEY, OTHER];
const ZONE = 'cluster.local.';

describe('who may transfer', () => {
  type Case = [
    name: string,
    rules: string[] | undefined,
    asker: { zone?: string; peer?: string; key?: TsigKey },
    is: boolean,
  ];
  test.for<Case>([
    ['loopback by default', undefined, {}, true],
    ['loopback over IPv6 by default', undefined, { peer: '::1' }, true],
    ['nobody else by default, key or not', undefined, { peer: '192.0.2.1', key: KEY }, false],
    ['nobody without rules', [], {}, false],
    ['a range', ['10.0.0.0/8'], { peer: '10.1.2.3' }, true],
    ['not beside the range', ['10.0.0.0/8'], { peer: '11.1.2.3' }, false],
    ['several in one rule', ['10.0.0.0/8,2001:db8::/32'], { peer: '2001:db8::1' }, true],
    ['not loopback where there is a rule', ['10.0.0.0/8'], {}, false],
    ['a key from anywhere', ['key=k.example'], { peer: '192.0.2.1', key: KEY }, true],
    ['not another key', ['key=k.example'], { key: OTHER }, false],
    ['not without the key', ['127.0.0.0/8,key=k.example'], {}, false],
    ['not with the key from elsewhere', ['127.0.0.0/8,key=k.example'], { peer: '10.0.0.1', key: KEY }, false],
    ['a zone', ['Cluster.Local=127.0.0.1'], {}, true],
    ['not another zone', ['cluster.local=127.0.0.1'], { zone: 'in-addr.arpa.' }, false],
    ['every zone', ['*=127.0.0.1'], { zone: 'in-addr.arpa.' }, true],
    ['one rule of several', ['a.example=127.0.0.1', 'cluster.local=127.0.0.1'], {}, true],
  ])('%s', ([, rules, { zone = ZONE, peer = '127.0.0.1', key }, isAllowed]) => {
    expect(new TransferRules(rules, KEYS).allows({ zone, peer, key })).toBe(isAllowed);
  });
});

describe('targets', () => {
  test('of notifications', () => {
    const entries = ['cluster.local=10.0.0.1,[2001:db8::1]:5353,key=K.example', '*=10.0.0.2:54', 'a.=2001:db8::2'];
    expect(parseNotifyTargets(entries, KEYS)).toEqual([
      { zone: ZONE, peer: { address: '10.0.0.1', port: 53, key: KEY } },
      { zone: ZONE, peer: { address: '2001:db8::1', port: 5353, key: KEY } },
      { zone: undefined, peer: { address: '10.0.0.2', port: 54, key: undefined } },
      { zone: 'a.', peer: { address: '2001:db8::2', port: 53, key: undefined } },
    ]);
  });

  test('of pushes', () => {
    const peer = { address: '10.0.0.1', port: 53, key: KEY };
    expect(parsePushTargets(['cluster.local=10.0.0.1,key=k.example,owner=eu-1'], KEYS)).toEqual([
      { zone: ZONE, owner: 'eu-1', peer },
    ]);
  });

  test.for<[name: string, entry: string, expected: string]>([
    ['no zone', '10.0.0.1', 'push "10.0.0.1": it must name one zone'],
    ['every zone', '*=10.0.0.1', 'it must name one zone'],
    ['no address', 'cluster.local=', '"" is no IP address'],
    ['only a key', 'cluster.local=key=k.example', 'it has no address'],
    ['a name for an address', 'cluster.local=ns.example.com', '"ns.example.com" is no IP address'],
    ['a port that is none', 'cluster.local=10.0.0.1:70000', '"10.0.0.1:70000" is no IP address'],
    ['a zone that cannot be', 'a b=10.0.0.1', 'no such zone can be'],
    ['a key that is not there', 'cluster.local=10.0.0.1,key=x', 'there is no key "x" in the key file'],
    ['an option that is not there', 'cluster.local=10.0.0.1,port=1', '"port=1" is not understood'],
    ['an owner that is no label', 'cluster.local=10.0.0.1,owner=a.b', 'the owner must be one DNS label'],
  ])('%s is refused', ([, entry, expected]) => {
    expect(() => parsePushTargets([entry], KEYS)).toThrow(expected);
  });
});
