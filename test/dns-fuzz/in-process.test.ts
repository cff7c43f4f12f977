/** Packets of every sort, good and changed, against the code that answers them. A failure prints the packet. */
import { readMessage, wireRecords } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { codeOf, problemWith } from './check-reply.ts';
import { udpAnswerer } from './in-process.ts';
import { usedBytes } from './memory.ts';
import { mutated } from './mutate.ts';
import { manyPackets, PACKET_SORTS } from './packets.ts';
import { oneOf, type Random, randomNumbers } from './random.ts';
import { packetWorld } from './served-world.ts';
import { FUZZ_PACKETS, FUZZ_SEED } from './settings.ts';

/** What the second half of the packets may leave behind; the answers kept are bounded, and full after the first. */
const MAX_GROWTH_BYTES = 4 * 2 ** 20;

/** Packets that all others are made from. */
const POOL = 10_000;

const answer = udpAnswerer();
const world = packetWorld(answer);
const pool = manyPackets(randomNumbers(FUZZ_SEED), world, POOL);

describe('an unchanged packet', () => {
  for (const { name, codes, make } of PACKET_SORTS) {
    test(`${name}: ${codes.length === 0 ? 'no answer' : `answered with ${codes.join(' or ')}`}`, () => {
      const random = randomNumbers(FUZZ_SEED);
      const seen = new Set<number>();
      for (let left = 200; left > 0; left -= 1) {
        const packet = make(random, world);
        const reply = checked(packet, { isRead: true });
        if (reply !== undefined) seen.add(codeOf(reply));
      }
      expect(codes).toEqual(expect.arrayContaining([...seen]));
      expect(seen.size > 0).toBe(codes.length > 0);
    });
  }
});

test(`${FUZZ_PACKETS} changed packets, seed ${FUZZ_SEED}`, { timeout: 1_800_000 }, () => {
  const random = randomNumbers(FUZZ_SEED);
  const startedAt = process.cpuUsage();
  const replies = new Map<string, number>();
  const half = Math.ceil(FUZZ_PACKETS / 2);
  sendMany(half, random, replies);
  const before = usedBytes();
  sendMany(FUZZ_PACKETS - half, random, replies);
  const growth = usedBytes() - before;
  const { user } = process.cpuUsage(startedAt);
  const counts = Object.fromEntries([...replies].sort(([left], [right]) => (left < right ? -1 : 1)));
  console.info({ packets: FUZZ_PACKETS, seed: FUZZ_SEED, codes: counts, growth, cpuSeconds: user / 1e6 });
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
});

test('whatever reads other messages throws nothing', { timeout: 600_000 }, () => {
  const random = randomNumbers(FUZZ_SEED);
  for (let left = Math.ceil(FUZZ_PACKETS / 10); left > 0; left -= 1) {
    const sent = oneOf(random, pool);
    const message = mutated(answer(sent) ?? sent, random);
    readMessage(message);
    wireRecords(message);
  }
});

function sendMany(count: number, random: Random, replies: Map<string, number>): void {
  for (let run = 0; run < count; run += 1) {
    const packet = mutated(oneOf(random, pool), random);
    // Reading all records costs more than answering: a tenth is read.
    const reply = checked(packet, { isRead: run % 10 === 0 });
    const code = reply === undefined ? 'none' : `${codeOf(reply)}`;
    replies.set(code, (replies.get(code) ?? 0) + 1);
  }
}

/** Plain comparisons: a matcher costs more than the answer. */
function checked(packet: Uint8Array, { isRead }: { isRead: boolean }): Uint8Array | undefined {
  const sent = Buffer.from(packet);
  const reply = answer(packet);
  const problem = sent.equals(packet) ? problemWith(packet, reply, { isRead }) : 'the packet itself was changed';
  if (problem !== undefined) throw new Error(`${problem}: ${sent.toString('hex')}`);
  return reply;
}
