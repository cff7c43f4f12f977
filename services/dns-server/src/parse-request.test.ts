import { describe, expect, test } from 'vitest';
import { parseRequest } from './parse-request.ts';

/** Header (id 0x1234, RD), then whatever follows. */
function packet(counts: [number, number, number, number], ...parts: (string | number[])[]): Uint8Array {
  const header = [0x12, 0x34, 0x01, 0x00, ...counts.flatMap((count) => [count >> 8, count & 0xff])];
  const body = parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part));
  return Uint8Array.from([...header, ...body]);
}

const IN_A = [0, 1, 0, 1];
const WEB = '\x03WeB\x04shop\0';
const OPT_1232 = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
const OPT_VERSION_1 = [0, 0, 41, 0x04, 0xd0, 0, 1, 0, 0, 0, 0];

describe('questions', () => {
  test('a plain one', () => {
    const parsed = parseRequest(packet([1, 0, 0, 0], WEB, IN_A));
    expect(parsed).toEqual({
      type: 'request',
      header: { id: 0x1234, opcode: 0, isRecursionDesired: true },
      question: Uint8Array.from([...Buffer.from(WEB), ...IN_A]),
      spelling: 'WeB.shop.',
      name: 'web.shop.',
      queryType: 1,
      queryClass: 1,
      edns: undefined,
      isSigned: false,
    });
  });

  test.for<{ name: string; bytes: Uint8Array; expected: object }>([
    { name: 'the root', bytes: packet([1, 0, 0, 0], '\0', IN_A), expected: { name: '.', spelling: '.' } },
    {
      name: 'a dot inside a label is not a separator',
      bytes: packet([1, 0, 0, 0], '\x08web.shop\0', IN_A),
      expected: { name: 'web\\046shop.', spelling: undefined },
    },
    {
      name: 'octets that are no ASCII are kept apart, and not folded',
      bytes: packet([1, 0, 0, 0], '\x04A\\\xc4\x00\0', IN_A),
      expected: { name: 'a\\092\\196\\000.', spelling: undefined },
    },
    {
      name: 'EDNS',
      bytes: packet([1, 0, 0, 1], WEB, IN_A, OPT_1232),
      expected: { edns: { version: 0, udpPayloadSize: 1232 } },
    },
    {
      name: 'EDNS of another version',
      bytes: packet([1, 0, 0, 1], WEB, IN_A, OPT_VERSION_1),
      expected: { edns: { version: 1, udpPayloadSize: 1232 } },
    },
    {
      name: 'EDNS after another record with a compressed name',
      bytes: packet([1, 0, 1, 1], WEB, IN_A, [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 1, 9], OPT_1232),
      expected: { edns: { version: 0, udpPayloadSize: 1232 } },
    },
    {
      name: 'a signature behind EDNS',
      bytes: packet([1, 0, 0, 2], WEB, IN_A, OPT_1232, [0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]),
      expected: { isSigned: true, edns: { version: 0, udpPayloadSize: 1232 } },
    },
    {
      name: 'bytes after the end are ignored',
      bytes: packet([1, 0, 0, 0], WEB, IN_A, [1, 2, 3]),
      expected: { name: 'web.shop.' },
    },
    {
      name: 'the longest name',
      bytes: packet([1, 0, 0, 0], `\x3f${'a'.repeat(63)}`.repeat(3), `\x3d${'a'.repeat(61)}\0`, IN_A),
      expected: { type: 'request' },
    },
  ])('$name', ({ bytes, expected }) => {
    expect(parseRequest(bytes)).toMatchObject({ type: 'request', ...expected });
  });
});

describe('format errors', () => {
  test.for<{ name: string; bytes: Uint8Array }>([
    { name: 'no question', bytes: packet([0, 0, 0, 0]) },
    { name: 'two questions', bytes: packet([2, 0, 0, 0], WEB, IN_A, WEB, IN_A) },
    { name: 'a name without end', bytes: packet([1, 0, 0, 0], '\x03web') },
    { name: 'a label longer than the packet', bytes: packet([1, 0, 0, 0], '\x3fweb\0', IN_A) },
    { name: 'no class', bytes: packet([1, 0, 0, 0], WEB, [0, 1]) },
    { name: 'a compressed question', bytes: packet([1, 0, 0, 0], [0xc0, 12], IN_A) },
    { name: 'a reserved label type', bytes: packet([1, 0, 0, 0], [0x41, 0], IN_A) },
    { name: 'a name too long', bytes: packet([1, 0, 0, 0], `\x3f${'a'.repeat(63)}`.repeat(4), '\0', IN_A) },
    { name: 'two OPT records', bytes: packet([1, 0, 0, 2], WEB, IN_A, OPT_1232, OPT_1232) },
    { name: 'OPT in the answer section', bytes: packet([1, 1, 0, 0], WEB, IN_A, OPT_1232) },
    { name: 'OPT at a name', bytes: packet([1, 0, 0, 1], WEB, IN_A, '\x01a', OPT_1232) },
    { name: 'fewer records than counted', bytes: packet([1, 0, 0, 2], WEB, IN_A, OPT_1232) },
    { name: 'record data cut short', bytes: packet([1, 0, 0, 1], WEB, IN_A, [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 9]) },
  ])('$name', ({ bytes }) => {
    expect(parseRequest(bytes)).toMatchObject({ type: 'error', code: 1, header: { id: 0x1234 } });
  });

  test('another opcode is not implemented', () => {
    const update = packet([1, 0, 0, 0], WEB, IN_A);
    update[2] = 0x28;
    expect(parseRequest(update)).toMatchObject({ type: 'error', code: 4, header: { opcode: 5 } });
  });
});

test.for<[string, Uint8Array]>([
  ['an empty packet', new Uint8Array(0)],
  ['less than a header', packet([1, 0, 0, 0]).subarray(0, 11)],
  ['a response', packet([1, 0, 0, 0], WEB, IN_A).map((byte, index) => (index === 2 ? 0x81 : byte))],
])('%s is dropped', ([, bytes]) => {
  expect(parseRequest(bytes)).toEqual({ type: 'drop' });
});
