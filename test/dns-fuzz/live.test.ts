/** Packets of every sort to a real server, over UDP and TCP. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from '../dns/dns-harness.ts';
import { isAnswered, problemWith } from './check-reply.ts';
import { udpAnswerer } from './in-process.ts';
import { framed, overTcp, type UdpClient, udpClient } from './live-clients.ts';
import { usedBytes } from './memory.ts';
import { mutated } from './mutate.ts';
import { manyPackets } from './packets.ts';
import { oneOf, randomNumbers } from './random.ts';
import { CLUSTERS, packetWorld, REVISION, servedRecordSets } from './served-world.ts';
import { FUZZ_SEED, FUZZ_SOCKET_PACKETS } from './settings.ts';

/** Few enough to fit into the buffers of both sockets, whatever they hold. */
const BATCH = 32;
/** What the same packets may leave behind when they come a second time. */
const MAX_GROWTH_BYTES = 4 * 2 ** 20;
const TIMEOUT = { timeout: 1_800_000 };

const pool = manyPackets(randomNumbers(FUZZ_SEED), packetWorld(udpAnswerer()), 2000);
let lab: DnsLab;
let udp: UdpClient;

beforeAll(async () => {
  lab = await startDnsLab({ pods: 'verified' });
  const documents = servedRecordSets().map((recordSet) => documentEntry(recordSet, REVISION));
  await lab.log.appendAll('derived', [...documents, watermarkEntry(REVISION, CLUSTERS)]);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  udp = await udpClient(lab.port);
});

afterAll(async () => {
  udp.close();
  await lab[Symbol.asyncDispose]();
});

test(`${FUZZ_SOCKET_PACKETS} changed packets over UDP, twice: as many replies as there must be`, TIMEOUT, async () => {
  await forEachBatch(sendOverUdp);
  const before = usedBytes();
  await forEachBatch(sendOverUdp);
  const growth = usedBytes() - before;
  console.info({ packets: FUZZ_SOCKET_PACKETS, growth });
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
});

test(`${FUZZ_SOCKET_PACKETS} changed packets over TCP: answered in order`, TIMEOUT, async () => {
  await forEachBatch(sendOverTcp);
});

test('a torrent of anything over TCP: the connection ends, the server does not', TIMEOUT, async () => {
  const random = randomNumbers(FUZZ_SEED);
  for (let left = 200; left > 0; left -= 1) {
    // Lengths that promise more than comes, and messages that are none.
    const torrent = Uint8Array.from({ length: random(3000) }, () => random(256) & (random(2) === 0 ? 0xff : 0x03));
    await overTcp(lab.port, torrent);
  }
  expect(await overTcp(lab.port, framed([aQuestion()]))).toHaveLength(1);
});

test('a packet of the greatest length there is', async () => {
  const longest = Uint8Array.from({ length: 65_535 }, (_, at) => aQuestion()[at] ?? at & 0xff);
  const [reply] = await overTcp(lab.port, framed([longest]));
  expect(reply?.[0]).toBe(longest[0]);
  // Over UDP it may go unanswered, as no resolver sends one; what comes after it is answered.
  const [overUdp] = await udp.exchange([longest.subarray(0, 65_507), aQuestion()], 1);
  expect(problemWith(longest, overUdp, { isRead: true })).toBeUndefined();
});

async function forEachBatch(send: (batch: Uint8Array[]) => Promise<void>): Promise<void> {
  const random = randomNumbers(FUZZ_SEED);
  for (let sent = 0; sent < FUZZ_SOCKET_PACKETS; sent += BATCH) {
    await send(Array.from({ length: BATCH }, (_, index) => numbered(mutated(oneOf(random, pool), random), index)));
  }
}

/** Ids tell the packets of a batch apart. */
function numbered(packet: Uint8Array, index: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  if (copy.length >= 2) copy.set([0x5a, index]);
  return copy;
}

async function sendOverUdp(batch: Uint8Array[]): Promise<void> {
  const expected = batch.filter(isAnswered);
  const replies = await udp.exchange(batch, expected.length);
  const byId = new Map(replies.map((reply) => [reply[1], reply]));
  if (replies.length !== byId.size || replies.length !== expected.length) throw new Error('too many replies');
  for (const packet of expected) {
    const problem = problemWith(packet, byId.get(packet[1]), { isRead: packet[1] === 0 });
    if (problem !== undefined) throw new Error(`${problem}: ${Buffer.from(packet).toString('hex')}`);
  }
}

/** A zone transfer takes several messages, all with one id. */
async function sendOverTcp(batch: Uint8Array[]): Promise<void> {
  const replies = await overTcp(lab.port, framed(batch));
  const ids = replies.map((reply) => reply[1]).filter((id, at, all) => id !== all[at - 1]);
  expect(ids).toEqual(batch.filter(isAnswered).map((packet) => packet[1]));
  expect(replies.every((reply) => reply[0] === 0x5a && ((reply[2] ?? 0) & 0x80) !== 0)).toBe(true);
}

function aQuestion(): Uint8Array {
  return Uint8Array.from([0x5a, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, ...Buffer.from('local'), 0, 0, 1, 0, 1]);
}
