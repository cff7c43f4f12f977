/** A kept answer is what encoding would give at that moment, whatever changed before. */
import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeAnswer } from '../encode-answer.ts';
import { TYPE_NAMES } from '../type-names.ts';
import { ZoneIndex } from '../zone-index.ts';
import { AnswerCache } from './answer-cache.ts';
import { WireQuestion } from './wire-question.ts';

const TYPES = { A: 1, SRV: 33, TXT: 16, SOA: 6 } as const;
const MAX_UDP_BYTES = 1232;

interface Asked {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** Size offered; absent: no EDNS. */
  readonly offers?: number;
}

function packetOf({ name, type, offers }: Asked): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const opt = offers === undefined ? [] : [0, 0, 41, offers >> 8, offers & 255, 0, 0, 0x80, 0, 0, 0];
  const header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, opt.length === 0 ? 0 : 1];
  return Uint8Array.from([...header, ...labels, 0, 0, TYPES[type], 0, 1, ...opt]);
}

/** What the long way gives: parsed as text, so that the order of addresses and the DO bit can be told apart. */
function encoded(index: ZoneIndex, asked: Asked): Uint8Array {
  const packet = packetOf(asked);
  const end = packet.length - (asked.offers === undefined ? 0 : 11);
  const hasEdns = asked.offers !== undefined;
  const options = {
    maxBytes: hasEdns ? MAX_UDP_BYTES : 512,
    question: packet.subarray(12, end),
    questionName: `${asked.name.toLowerCase()}.`,
    udpPayloadSize: hasEdns ? MAX_UDP_BYTES : undefined,
  };
  const question = { name: options.questionName, type: TYPE_NAMES.get(TYPES[asked.type]) ?? '' };
  const message = encodeAnswer(index.answer(question), options, { id: 0x1234, opcode: 0, isRecursionDesired: true });
  if (hasEdns) message[message.length - 4] = 0x80;
  return message;
}

function kept(cache: AnswerCache, asked: Asked): Uint8Array | undefined {
  const packet = packetOf(asked);
  const question = new WireQuestion();
  expect(question.read(packet)).toBe(true);
  const answer = cache.find(packet, question);
  if (answer === undefined) return undefined;
  const message = new Uint8Array(answer.bytes);
  cache.copyFound(packet, question, message);
  return message;
}

function aSet(service: string, records: DnsRecord[]): RecordSet {
  return { cluster: 'shop', namespace: 'ns', name: service, records };
}

function address(name: string, text: string): DnsRecord {
  return { name: `${name}.cluster.local.`, ttlSeconds: 30, type: 'A', address: text };
}

function alias(name: string, target: string): DnsRecord {
  return { name: `${name}.cluster.local.`, ttlSeconds: 30, type: 'CNAME', target: `${target}.cluster.local.` };
}

function service(name: string, target: string): DnsRecord {
  const rest = { ttlSeconds: 30, type: 'SRV', priority: 0, weight: 1, port: 80 } as const;
  return { name: `${name}.cluster.local.`, ...rest, target: `${target}.cluster.local.` };
}

function anIndex(...sets: RecordSet[]): ZoneIndex {
  const index = new ZoneIndex({ ttlSeconds: 30 });
  for (const set of sets) index.upsert(set);
  index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 1);
  return index;
}

const NAMES = ['a', 'b', 'x.a', 'a.b', 'c'];

const change = fc.record({
  service: fc.constantFrom('s1', 's2', 's3'),
  records: fc.array(
    fc.oneof(
      fc
        .tuple(fc.constantFrom(...NAMES), fc.constantFrom('10.0.0.1', '10.0.0.2'))
        .map(([name, ip]) => address(name, ip)),
      fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...NAMES)).map(([name, target]) => alias(name, target)),
      fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...NAMES)).map(([name, target]) => service(name, target)),
    ),
    { maxLength: 3 },
  ),
  isSynced: fc.boolean(),
});

test('after any changes a kept answer is the one that encoding gives', { timeout: 30_000 }, () => {
  const questions: Asked[] = ['a', 'B', 'x.a', 'a.b', 'c', 'nosuch'].flatMap((name) =>
    (['A', 'SRV', 'TXT'] as const).flatMap((type): Asked[] => [
      { name: `${name}.Cluster.local`, type },
      { name: `${name}.cluster.local`, type, offers: 1232 },
    ]),
  );
  questions.push({ name: 'cluster.local', type: 'SOA' });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const index = anIndex();
      const cache = new AnswerCache(index, { maxUdpBytes: MAX_UDP_BYTES });
      for (const [at, { service: name, records, isSynced }] of changes.entries()) {
        index.upsert(aSet(name, records));
        // The last change makes the zone one that can be answered from.
        const isServed = isSynced || at === changes.length - 1;
        index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: isServed }], at + 2);
        for (const asked of questions) {
          const message = kept(cache, asked);
          if (isServed) expect(sorted(message)).toEqual(sorted(encoded(index, asked)));
          else expect(message).toBeUndefined();
        }
      }
    }),
    { numRuns: 30 },
  );
});

/** Addresses come in any order; nothing else may differ. */
function sorted(message: Uint8Array | undefined): string {
  return Buffer.from(Uint8Array.from(message ?? []).sort()).toString('hex');
}

describe('copies', () => {
  const many = Array.from({ length: 3 }, (_, at) => address('many', `10.0.0.${at + 1}`));
  const lastOctets = (message: Uint8Array | undefined) => [15, 31, 47].map((at) => message?.[36 + at]);

  test('have another address first each time', () => {
    const cache = new AnswerCache(anIndex(aSet('many', many)), { maxUdpBytes: MAX_UDP_BYTES });
    const orders = Array.from({ length: 4 }, () => lastOctets(kept(cache, { name: 'many.cluster.local', type: 'A' })));
    expect(orders).toEqual([
      [1, 2, 3],
      [3, 1, 2],
      [2, 3, 1],
      [1, 2, 3],
    ]);
  });

  test('have the newest serial', () => {
    const index = anIndex();
    const cache = new AnswerCache(index, { maxUdpBytes: MAX_UDP_BYTES });
    const asked: Asked = { name: 'nosuch.cluster.local', type: 'A' };
    const first = kept(cache, asked);
    index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 0x01020304);
    const second = kept(cache, asked);
    expect(Array.from(first?.slice(-20, -16) ?? [])).toEqual([0, 0, 0, 1]);
    expect(Array.from(second?.slice(-20, -16) ?? [])).toEqual([1, 2, 3, 4]);
  });

  test('for an asker that takes less than the answer are left to the long way', () => {
    const records = Array.from({ length: 60 }, (_, at) => address('big', `10.0.0.${at}`));
    const cache = new AnswerCache(anIndex(aSet('big', records)), { maxUdpBytes: MAX_UDP_BYTES });
    expect(kept(cache, { name: 'big.cluster.local', type: 'A', offers: 700 })).toBeUndefined();
    expect(kept(cache, { name: 'big.cluster.local', type: 'A', offers: 1232 })?.length).toBeGreaterThan(900);
    expect(kept(cache, { name: 'big.cluster.local', type: 'A' })?.length).toBeLessThanOrEqual(512);
  });
});

test('memory is bounded, and what was dropped is made again', () => {
  const index = anIndex(aSet('a', [address('a', '10.0.0.1')]));
  const cache = new AnswerCache(index, { maxUdpBytes: MAX_UDP_BYTES, maxBytes: 10_000 });
  for (let at = 0; at < 500; at += 1) {
    kept(cache, { name: `x${at}.cluster.local`, type: 'A' });
    expect(cache.bytes).toBeLessThanOrEqual(10_000);
  }
  const asked: Asked = { name: 'a.cluster.local', type: 'A' };
  expect(kept(cache, asked)).toEqual(encoded(index, asked));
});
