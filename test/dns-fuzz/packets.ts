/** What a DNS server may be sent, from good questions to malice. Each sort says which codes it may be answered with. */
import { signMessage, type TsigKey } from '@signalbox/zones';
import { oneOf, type Random } from './random.ts';

export interface PacketWorld {
  /** Without trailing dot. */
  readonly names: readonly string[];
  readonly zones: readonly string[];
  readonly key: TsigKey;
  /** What the server sends for a packet: answers are sent back to it as questions. */
  readonly answer: (packet: Uint8Array) => Uint8Array | undefined;
}

export interface PacketSort {
  readonly name: string;
  /** Of the packets to be changed: how many of this sort there are for one of most others. Default 1. */
  readonly share?: number;
  /** Low four bits of the codes that an unchanged packet may be answered with; empty: it is not answered. */
  readonly codes: readonly number[];
  readonly make: (random: Random, world: PacketWorld) => Uint8Array;
}

const [NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH] = [0, 1, 2, 3, 4, 5, 9];
const FOUND_OR_NOT = [NOERROR, NXDOMAIN, REFUSED];
const TYPES = [1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 43, 46, 48, 64, 65, 99, 255, 256, 257, 65_280];
const [SOA, TXT, OPT, TSIG, IXFR, AXFR, ANY] = [6, 16, 41, 250, 251, 252, 255];
const RD = 0x0100;
const QR = 0x8000;

export const PACKET_SORTS: readonly PacketSort[] = [
  { name: 'plain question', share: 8, codes: FOUND_OR_NOT, make: plainQuestion },
  { name: 'question with EDNS', share: 8, codes: FOUND_OR_NOT, make: ednsQuestion },
  { name: 'EDNS of another version', codes: [NOERROR], make: otherEdnsVersion },
  { name: 'EDNS twice, or in a wrong place', codes: [FORMERR], make: misplacedEdns },
  { name: 'other class', codes: [REFUSED], make: otherClass },
  { name: 'other opcode', codes: [NOTIMP], make: otherOpcode },
  { name: 'whole transfer', codes: [REFUSED], make: wholeTransfer },
  { name: 'incremental transfer', codes: [NOERROR, FORMERR, NOTAUTH], make: incrementalTransfer },
  { name: 'signed question', codes: FOUND_OR_NOT, make: signedQuestion },
  { name: 'signature junk', codes: [FORMERR, NOTAUTH], make: signatureJunk },
  { name: 'compression loop in the question', codes: [FORMERR], make: loopInQuestion },
  { name: 'compression loop after the question', codes: [...FOUND_OR_NOT, FORMERR, NOTAUTH], make: loopInRecords },
  { name: 'over-long name', codes: [FORMERR], make: overLongName },
  { name: 'many questions, or none', codes: [FORMERR], make: manyQuestions },
  { name: 'response', codes: [], make: response },
  { name: 'response sent as a question', codes: [...FOUND_OR_NOT, FORMERR, SERVFAIL], make: responseAsQuestion },
  { name: 'odd octets in the name', share: 2, codes: FOUND_OR_NOT, make: oddOctets },
  { name: 'garbage behind a good header', codes: [...FOUND_OR_NOT, FORMERR], make: garbageWithHeader },
  { name: 'less than a header', codes: [], make: tooShort },
];

/** Packets of all sorts, to be changed: making them costs more than answering them. */
export function manyPackets(random: Random, world: PacketWorld, count: number): Uint8Array[] {
  const sorts = PACKET_SORTS.flatMap((sort) => Array<PacketSort>(sort.share ?? 1).fill(sort));
  return Array.from({ length: count }, () => oneOf(random, sorts).make(random, world));
}

function plainQuestion(random: Random, world: PacketWorld): Uint8Array {
  return packet(random, { questions: [question(random, world)] });
}

function ednsQuestion(random: Random, world: PacketWorld): Uint8Array {
  return packet(random, { questions: [question(random, world)], additional: [optRecord(random, {})] });
}

function otherEdnsVersion(random: Random, world: PacketWorld): Uint8Array {
  const version = 1 + random(255);
  return packet(random, { questions: [question(random, world)], additional: [optRecord(random, { version })] });
}

function misplacedEdns(random: Random, world: PacketWorld): Uint8Array {
  const opt = optRecord(random, {});
  const named = [1, 0x61, ...opt];
  const places = [{ additional: [opt, opt] }, { answers: [opt] }, { authority: [opt] }, { additional: [named] }];
  return packet(random, { questions: [question(random, world)], ...oneOf(random, places) });
}

function otherClass(random: Random, world: PacketWorld): Uint8Array {
  const name = wireName(aName(random, world));
  const questionClass = oneOf(random, [0, 3, 4, 254, 255, 65_535]);
  const type = oneOf(random, TYPES);
  return packet(random, { questions: [[...name, ...uint16(type), ...uint16(questionClass)]] });
}

/** IQUERY, STATUS, NOTIFY, UPDATE, and what nobody has defined. */
function otherOpcode(random: Random, world: PacketWorld): Uint8Array {
  const opcode = oneOf(random, [1, 2, 3, 4, 5, 6, 15]);
  const zone = [...wireName(oneOf(random, world.zones)), ...uint16(SOA), 0, 1];
  const change = record(wireName(aName(random, world)), TXT, [3, 0x61, 0x62, 0x63]);
  return packet(random, { flags: opcode << 11, questions: [zone], authority: [change, change] });
}

function wholeTransfer(random: Random, world: PacketWorld): Uint8Array {
  return packet(random, { questions: [[...wireName(oneOf(random, world.zones)), ...uint16(AXFR), 0, 1]] });
}

function incrementalTransfer(random: Random, world: PacketWorld): Uint8Array {
  const name = wireName(random(2) === 0 ? oneOf(random, world.zones) : aName(random, world));
  const serial = [0, 0, 0, random(16)];
  const soa = record(name, SOA, [0, 0, ...serial, ...bytes(random, 16)]);
  return packet(random, { questions: [[...name, ...uint16(IXFR), 0, 1]], authority: random(4) === 0 ? [] : [soa] });
}

function signedQuestion(random: Random, world: PacketWorld): Uint8Array {
  const unsigned = random(2) === 0 ? plainQuestion(random, world) : ednsQuestion(random, world);
  return signMessage(unsigned, world.key, { nowSeconds: Math.floor(Date.now() / 1000) }).message;
}

/** Wrong keys, times, lengths and places. */
function signatureJunk(random: Random, world: PacketWorld): Uint8Array {
  const unsigned = plainQuestion(random, world);
  const { name, algorithm } = world.key;
  const otherKey = oneOf(random, [name, 'nobody.', `${'x'.repeat(63)}.`.repeat(3), '.']);
  const data = [
    ...wireName(oneOf(random, [`${algorithm}.`, 'hmac-md5.sig-alg.reg.int.', '.'])),
    ...bytes(random, 8),
    ...uint16(oneOf(random, [0, 16, 32, 65_535])),
    ...bytes(random, random(64)),
  ];
  const tsig = record(wireName(otherKey), TSIG, data, 255);
  const places = [{ additional: [tsig] }, { additional: [tsig, tsig] }, { answers: [tsig] }];
  return withRecords(unsigned, oneOf(random, places));
}

function loopInQuestion(random: Random): Uint8Array {
  const at = 12;
  const [label, far] = [1 + random(20), 12 + random(200)];
  const loops = [
    [...pointer(at)],
    [...pointer(0)],
    [...pointer(at + 2), ...pointer(at)],
    [label, ...bytes(random, label), ...pointer(at)],
    [...pointer(far)],
    [1, 0x61, 0xc0],
    [0x40 + random(0x80), ...bytes(random, 60), 0],
  ];
  return packet(random, { questions: [[...oneOf(random, loops), 0, 1, 0, 1]] });
}

/** Names of records that are pointers in circles, or long ways through the packet. */
function loopInRecords(random: Random, world: PacketWorld): Uint8Array {
  const asked = question(random, world);
  const start = 12 + asked.length;
  const chain = Array.from({ length: 5 + random(50) }, (_, index) => pointer(start + 10 + 2 * index)).flat();
  const first = record([0], oneOf(random, [SOA, TXT, TSIG]), chain);
  const name = oneOf(random, [pointer(start), pointer(start + 11), pointer(start + 10 + chain.length), pointer(12)]);
  const second = record(name, oneOf(random, [2, SOA, TXT, OPT, TSIG, IXFR]), [
    ...pointer(start),
    ...pointer(start + 11),
  ]);
  return packet(random, { questions: [asked], authority: [first], additional: [second] });
}

function overLongName(random: Random): Uint8Array {
  const names = [
    Array.from({ length: 5 }, () => [63, ...letters(random, 63)]).flat(),
    Array.from({ length: 128 + random(200) }, () => [1, ...letters(random, 1)]).flat(),
    // 256 octets with the root label: one too many.
    [...Array.from({ length: 3 }, () => [63, ...letters(random, 63)]).flat(), 62, ...letters(random, 62)],
    [200, ...letters(random, 200)],
  ];
  return packet(random, { questions: [[...oneOf(random, names), 0, 0, 1, 0, 1]] });
}

function manyQuestions(random: Random, world: PacketWorld): Uint8Array {
  const count = oneOf(random, [0, 2, 3, 50, 255]);
  const questions = Array.from({ length: count }, () => question(random, world));
  return packet(random, { questions, ...(random(3) === 0 && { questionCount: oneOf(random, [0, 2, 256, 65_535]) }) });
}

function response(random: Random, world: PacketWorld): Uint8Array {
  const sent = oneOf(random, [plainQuestion, ednsQuestion, otherOpcode])(random, world);
  const answered = random(2) === 0 ? (world.answer(sent) ?? sent) : sent;
  return withFlags(answered, QR | random(0x8000));
}

/** What we answered comes back, with the bit cleared that says it is an answer. */
function responseAsQuestion(random: Random, world: PacketWorld): Uint8Array {
  const sent = random(2) === 0 ? plainQuestion(random, world) : ednsQuestion(random, world);
  return withFlags(world.answer(sent) ?? sent, RD);
}

function oddOctets(random: Random, world: PacketWorld): Uint8Array {
  const label = bytes(random, 1 + random(20));
  const rest = wireName(oneOf(random, world.zones));
  return packet(random, { questions: [[label.length, ...label, ...rest, ...uint16(oneOf(random, TYPES)), 0, 1]] });
}

function garbageWithHeader(random: Random): Uint8Array {
  return packet(random, { questions: [bytes(random, random(100))] });
}

function tooShort(random: Random): Uint8Array {
  return Uint8Array.from(bytes(random, random(12)));
}

interface PacketParts {
  readonly flags?: number;
  readonly questions: readonly (readonly number[])[];
  readonly questionCount?: number;
  readonly answers?: readonly (readonly number[])[];
  readonly authority?: readonly (readonly number[])[];
  readonly additional?: readonly (readonly number[])[];
}

function packet(random: Random, parts: PacketParts): Uint8Array {
  const { questions, questionCount = questions.length, answers = [], authority = [], additional = [] } = parts;
  const flags = parts.flags ?? oneOf(random, [0, RD]);
  const counts = [questionCount, answers.length, authority.length, additional.length];
  const header = [...bytes(random, 2), ...uint16(flags), ...counts.flatMap(uint16)];
  return Uint8Array.from([...header, ...[...questions, ...answers, ...authority, ...additional].flat()]);
}

function withRecords(base: Uint8Array, parts: Pick<PacketParts, 'answers' | 'additional'>): Uint8Array {
  const { answers = [], additional = [] } = parts;
  const longer = Uint8Array.from([...base, ...answers.flat(), ...additional.flat()]);
  longer.set([...uint16(answers.length), 0, 0, ...uint16(additional.length)], 6);
  return longer;
}

function withFlags(message: Uint8Array, flags: number): Uint8Array {
  const copy = Uint8Array.from(message);
  copy.set(uint16(flags), 2);
  return copy;
}

function question(random: Random, world: PacketWorld): number[] {
  const type = random(40) === 0 ? ANY : oneOf(random, TYPES);
  return [...wireName(aName(random, world)), ...uint16(type), 0, 1];
}

/** One that exists, one beside it, or one below it; in any case. */
function aName(random: Random, world: PacketWorld): string {
  const name = oneOf(random, world.names);
  const asked = oneOf(random, [name, name, name, `x${random(1000)}.${name}`, `x${name}`]);
  return random(4) === 0 ? Array.from(asked, (char) => (random(2) === 0 ? char.toUpperCase() : char)).join('') : asked;
}

function optRecord(random: Random, { version = 0 }: { version?: number }): number[] {
  const size = oneOf(random, [0, 1, 511, 512, 513, 700, 1231, 1232, 1233, 4096, 65_535]);
  // NSID, client subnet, cookie, padding, and one that nobody knows.
  const option = () => {
    const data = bytes(random, random(24));
    return [...uint16(oneOf(random, [3, 8, 10, 12, 65_001])), ...uint16(data.length), ...data];
  };
  const options = Array.from({ length: random(4) }, option).flat();
  const flags = [0, version, oneOf(random, [0, 0x80, 0xff]), 0];
  return [0, ...uint16(OPT), ...uint16(size), ...flags, ...uint16(options.length), ...options];
}

function record(name: readonly number[], type: number, data: readonly number[], recordClass = 1): number[] {
  return [...name, ...uint16(type), ...uint16(recordClass), 0, 0, 0, 0, ...uint16(data.length), ...data];
}

/** Of labels of at most 63 characters, not checked further. */
function wireName(name: string): number[] {
  const labels = name.split('.').filter((label) => label !== '');
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')]), 0];
}

function pointer(target: number): number[] {
  return uint16(0xc000 | (target & 0x3fff));
}

function uint16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function bytes(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random(256));
}

function letters(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => 0x61 + random(26));
}
