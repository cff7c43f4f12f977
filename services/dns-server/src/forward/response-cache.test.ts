import dnsPacket, { type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forwardedMessage } from './forwarded-message.ts';
import { ResponseCache } from './response-cache.ts';

const SETTINGS = { maxEntries: 2, minTtlSeconds: 5, maxTtlSeconds: 100, maxNegativeTtlSeconds: 50 };
const QUESTION = { name: 'web.example', type: 'A' } as const;
const SOA = { mname: 'ns.example', rname: 'host.example', serial: 1, refresh: 1, retry: 1, expire: 1 };

function aResponse(parts: Packet): Uint8Array {
  return new Uint8Array(dnsPacket.encode({ type: 'response', questions: [QUESTION], ...parts }));
}

function address(ttl: number): Packet {
  return { answers: [{ ...QUESTION, ttl, data: '10.0.0.1' }] };
}

function negative(ttl: number, minimum: number, flags = 3): Packet {
  return { flags, authorities: [{ type: 'SOA', name: 'example', ttl, data: { ...SOA, minimum } }] };
}

describe('is kept for', () => {
  test.for<[name: string, response: Uint8Array, ttlSeconds: number]>([
    ['its TTL', aResponse(address(60)), 60],
    ['no longer than the limit', aResponse(address(4000)), 100],
    ['no shorter than the limit', aResponse(address(1)), 5],
    ['the SOA minimum, when there is no such name', aResponse(negative(30, 20)), 20],
    ['the SOA TTL, when that is less', aResponse(negative(10, 20)), 10],
    ['the negative limit', aResponse(negative(3000, 3000, 0)), 50],
    ['no time, without an SOA', aResponse({ flags: 3 }), 0],
    ['a second, when it is a failure', aResponse({ flags: 2 }), 1],
  ])('%s', ([, response, ttlSeconds]) => {
    const cache = new ResponseCache(SETTINGS);
    expect(cache.put('k', response, 0).ttlSeconds).toBe(ttlSeconds);
    expect(cache.get('k', ttlSeconds * 1000 - 1) === undefined).toBe(ttlSeconds === 0);
    expect(cache.get('k', ttlSeconds * 1000)).toBeUndefined();
  });
});

test('what was used longest ago goes first', () => {
  const cache = new ResponseCache(SETTINGS);
  for (const key of ['a', 'b']) cache.put(key, aResponse(address(60)), 0);
  cache.get('a', 0);
  cache.put('c', aResponse(address(60)), 0);
  expect(['a', 'b', 'c'].map((key) => cache.get(key, 0) !== undefined)).toEqual([true, false, true]);
});

test('whatever an upstream sends, the client gets a message that can be read', () => {
  const question = new Uint8Array(aResponse({}).subarray(12));
  const options = { maxBytes: 512, question, questionName: undefined, udpPayloadSize: 1232 };
  const seed = aResponse(address(60));
  const change = fc.record({ at: fc.nat(seed.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat(seed.length), (changes, length) => {
      const packet = seed.slice(0, Math.max(length, 12 + question.length));
      for (const { at, byte } of changes) if (at >= 12 + question.length) packet[at] = byte;
      const entry = new ResponseCache(SETTINGS).put('k', packet, 0);
      const message = forwardedMessage(entry, { id: 1, dnssecOk: false }, options);
      expect(message.length).toBeLessThanOrEqual(512);
    }),
  );
});
