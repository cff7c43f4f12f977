import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeQuery } from './query-message.ts';
import { readMessage } from './read-message.ts';
import {
  AnswerVerifier,
  refuseSignature,
  signAnswers,
  signatureBytes,
  signMessage,
  TSIG_ERRORS,
  TSIG_MAC_BYTES,
  type TsigCheck,
  type TsigKey,
  verifyRequest,
} from './tsig.ts';

const NOW = 1_700_000_000;
const QUERY = encodeQuery(4711, 'cluster.local.', 6);

function aKey(change: Partial<TsigKey> = {}): TsigKey {
  const algorithm = change.algorithm ?? 'hmac-sha256';
  const secret = Buffer.from('signalbox-test-signalbox-test!!');
  return { name: 'transfer.example.', algorithm, secret, macBytes: TSIG_MAC_BYTES[algorithm], ...change };
}

function sign(key: TsigKey, nowSeconds = NOW): Uint8Array {
  return signMessage(QUERY, key, { nowSeconds }).message;
}

/** `valid`, or the error's number. */
function verdict(check: TsigCheck): string {
  return check.type === 'refused' ? `refused ${check.error}` : check.type;
}

test('the octets are those of RFC 8945 §4.2 and §4.3.3', () => {
  const key = aKey();
  const name = [8, ...Buffer.from('transfer'), 7, ...Buffer.from('example'), 0];
  const algorithm = [11, ...Buffer.from('hmac-sha256'), 0];
  const time = [0, 0, 0x65, 0x53, 0xf1, 0x00];
  const variables = [...name, 0, 255, 0, 0, 0, 0, ...algorithm, ...time, 1, 44, 0, 0, 0, 0];
  const mac = createHmac('sha256', key.secret).update(QUERY).update(Uint8Array.from(variables)).digest();
  const data = [...algorithm, ...time, 1, 44, 0, 32, ...mac, 0x12, 0x67, 0, 0, 0, 0];
  const record = [...name, 0, 250, 0, 255, 0, 0, 0, 0, 0, data.length, ...data];
  const expected = Buffer.from([...QUERY, ...record]);
  expected.writeUInt16BE(1, 10);
  expect(Buffer.from(sign(key)).toString('hex')).toBe(expected.toString('hex'));
  expect(sign(key)).toHaveLength(QUERY.length + signatureBytes(key) - 6);
});

describe('requests', () => {
  const cut = aKey({ macBytes: 16 });
  test.for<[name: string, message: Uint8Array, keys: TsigKey[], expected: string]>([
    ['by a key we have', sign(aKey()), [aKey()], 'valid'],
    ['by a key in other letters', sign(aKey({ name: 'TRANSFER.example.' })), [aKey()], 'valid'],
    ['not signed', QUERY, [aKey()], 'unsigned'],
    ['by a key we do not have', sign(aKey({ name: 'other.' })), [aKey()], 'refused 17'],
    ['by the key with another algorithm', sign(aKey({ algorithm: 'hmac-sha512' })), [aKey()], 'refused 17'],
    ['with another secret', sign(aKey({ secret: Buffer.alloc(32) })), [aKey()], 'refused 16'],
    ['just in time', sign(aKey(), NOW - 300), [aKey()], 'valid'],
    ['too old', sign(aKey(), NOW - 301), [aKey()], 'refused 18'],
    ['too new', sign(aKey(), NOW + 301), [aKey()], 'refused 18'],
    ['truncated as agreed', sign(cut), [cut], 'valid'],
    ['whole where truncation is allowed', sign(aKey()), [cut], 'valid'],
    ['truncated where it is not', sign(cut), [aKey()], 'refused 22'],
    ['truncated below half of the hash', sign(aKey({ macBytes: 15 })), [aKey({ macBytes: 15 })], 'malformed'],
    ['truncated, and wrong', sign({ ...cut, secret: Buffer.alloc(32) }), [aKey()], 'refused 16'],
  ])('%s', ([, message, keys, expected]) => {
    expect(verdict(verifyRequest(message, keys, NOW))).toBe(expected);
  });

  test.for<[name: string, change: (bytes: Uint8Array) => Uint8Array, expected: string]>([
    ['another id is as good, because the original is in the record', (bytes) => bytes.fill(9, 0, 2), 'valid'],
    ['another question', (bytes) => bytes.fill(0x78, 13, 14), 'refused 16'],
    ['cut short', (bytes) => bytes.subarray(0, -1), 'malformed'],
    ['signed twice', (bytes) => signMessage(bytes, aKey(), { nowSeconds: NOW }).message, 'malformed'],
  ])('%s', ([, change, expected]) => {
    expect(verdict(verifyRequest(change(sign(aKey())), [aKey()], NOW))).toBe(expected);
  });

  test('a packet in a shared buffer is neither changed nor read beyond', () => {
    const message = sign(aKey());
    const shared = Buffer.concat([Buffer.alloc(100, 1), message, Buffer.alloc(100, 1)]);
    const packet = shared.subarray(100, 100 + message.length);
    expect(verdict(verifyRequest(packet, [aKey()], NOW))).toBe('valid');
    expect(shared.equals(Buffer.concat([Buffer.alloc(100, 1), message, Buffer.alloc(100, 1)]))).toBe(true);
  });
});

describe('answers', () => {
  const answers = [1, 2, 3].map((number) => encodeQuery(number, `answer-${number}.`, 6));

  test.for(Object.keys(TSIG_MAC_BYTES) as TsigKey['algorithm'][])('of several messages, %s', (algorithm) => {
    const key = aKey({ algorithm });
    const { mac } = signMessage(QUERY, key, { nowSeconds: NOW });
    const signed = [...signAnswers(answers, key, { nowSeconds: () => NOW, requestMac: mac })];
    const verifier = new AnswerVerifier(key, mac);
    expect(signed.map((message) => verifier.check(message, NOW))).toEqual([undefined, undefined, undefined]);
    expect(verifier.isComplete).toBe(true);
  });

  const key = aKey();
  const { mac } = signMessage(QUERY, key, { nowSeconds: NOW });
  const signed = [...signAnswers(answers, key, { nowSeconds: () => NOW, requestMac: mac })];
  const [one = QUERY, two = QUERY, three = QUERY] = signed;
  test.for<[name: string, messages: Uint8Array[], expected: string | undefined]>([
    ['not the first', [two], 'its signature is wrong'],
    ['to another request', [sign(key)], 'its signature is wrong'],
    [
      'by another key',
      [signMessage(QUERY, aKey({ name: 'other.' }), { nowSeconds: NOW }).message],
      'signed by another key',
    ],
    ['the first not signed', [answers[0] ?? QUERY], 'it is not signed'],
    ['a later one not signed', [one, answers[1] ?? QUERY], undefined],
    ['a hundred not signed', [one, ...Array.from({ length: 100 }, () => QUERY)], 'it is not signed'],
  ])('%s', ([, messages, expected]) => {
    const verifier = new AnswerVerifier(key, mac);
    expect(messages.map((message) => verifier.check(message, NOW)).at(-1)).toBe(expected);
    expect(verifier.isComplete).toBe(false);
  });

  test('unsigned messages count for the signature that follows', () => {
    const verifier = new AnswerVerifier(key, mac);
    expect(verifier.check(one, NOW)).toBeUndefined();
    expect(verifier.check(QUERY, NOW)).toBeUndefined();
    // What was signed without the message between does not fit any more, nor does what was signed after one left out.
    expect([two, three].map((message) => verifier.check(message, NOW))).toEqual([
      'its signature is wrong',
      'its signature is wrong',
    ]);
  });
});

describe('refusals', () => {
  test('of a time are signed, and tell ours', () => {
    const { message, mac } = signMessage(QUERY, aKey(), { nowSeconds: NOW - 1000 });
    const check = verifyRequest(message, [aKey()], NOW);
    if (check.type !== 'refused') throw new Error(check.type);
    const refusal = refuseSignature(QUERY, check, NOW);
    expect(new AnswerVerifier(aKey(), mac).check(refusal, NOW - 1000)).toBe('the signature was refused: badTime');
    expect(Buffer.from(readMessage(refusal)?.additional[0]?.data ?? []).readUIntBE(signatureDataLength() - 6, 6)).toBe(
      NOW,
    );
  });

  test('of a key or a MAC are not', () => {
    const check = verifyRequest(sign(aKey({ name: 'other.' })), [aKey()], NOW);
    if (check.type !== 'refused') throw new Error(check.type);
    expect(check.error).toBe(TSIG_ERRORS.badKey);
    const refusal = refuseSignature(QUERY, check, NOW);
    expect(new AnswerVerifier(aKey(), new Uint8Array()).check(refusal, NOW)).toBe('the signature was refused: badKey');
  });

  /** Algorithm, time, fudge, MAC, id, error, and six octets of time. */
  function signatureDataLength(): number {
    return 13 + 6 + 2 + 2 + 32 + 2 + 2 + 2 + 6;
  }
});

test('whatever comes is read or not, and never thrown at', () => {
  const message = sign(aKey());
  const aMutation = fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(aMutation, fc.nat(message.length), (changes, length) => {
      const mutated = Uint8Array.from(message);
      for (const [at, byte] of changes) mutated[at] = byte;
      verifyRequest(mutated.subarray(0, length), [aKey()], NOW);
      readMessage(mutated);
    }),
    { numRuns: 5000 },
  );
});
