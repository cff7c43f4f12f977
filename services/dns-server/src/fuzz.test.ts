/** Whatever comes in: no throw, no answer longer than asked for, and every answer readable. */
import type { DnsRecord } from '@signalbox/contracts';
import { createLogger, createRegistry } from '@signalbox/kit';
import { signMessage, type TsigKey, ZoneIndex } from '@signalbox/zones';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { expect, test } from 'vitest';
import { KeptAnswers } from './kept-answers.ts';
import { createDnsMetrics } from './metrics.ts';
import { QueryAcl } from './query-acl.ts';
import { type Responder, respondOverUdp } from './responder.ts';
import { Staleness } from './staleness.ts';
import type { Transfers } from './transfer/answer-transfer.ts';
import { createTransferMetrics } from './transfer/transfer-metrics.ts';
import { TransferRules } from './transfer/transfer-rules.ts';
import { ZoneVersions } from './transfer/zone-versions.ts';

const KEY: TsigKey = { name: 'k.', algorithm: 'hmac-sha256', secret: new Uint8Array(32), macBytes: 32 };
const responder = aResponder();
const kept = new KeptAnswers(responder.index, responder);
const OPT = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as unknown as Answer;

const seeds = [
  aQuestion('web.cluster.local', 'A'),
  aQuestion('web.cluster.local', 'A', { additionals: [OPT] }),
  aQuestion('_http._tcp.web.cluster.local', 'SRV', { additionals: [OPT] }),
  aQuestion('cluster.local', 'AXFR'),
  aQuestion('nosuch.cluster.local', 'ANY'),
  signMessage(aQuestion('cluster.local', 'IXFR'), KEY, { nowSeconds: Math.floor(Date.now() / 1000) }).message,
];

test.for([
  ['mutated', aMutatedPacket, 90_000],
  ['random', aRandomPacket, 20_000],
] as const)('%s packets', { timeout: 60_000 }, ([, aPacket, count]) => {
  const random = randomNumbers(20_260_101);
  for (let run = 0; run < count; run += 1) {
    // Reading costs more than answering: a tenth is read.
    checkAnswer(aPacket(random), { isRead: run % 10 === 0 });
  }
});

test('the seeds themselves are answered, and truncated', () => {
  const codes = seeds.map((seed) => answersTo(seed)[0]?.[3]).map((byte) => (byte ?? 0xff) & 0xf);
  expect(codes).toEqual([0, 0, 0, 5, 3, 1]);
  expect(answersTo(seeds[0] ?? new Uint8Array())[0]?.length).toBeGreaterThan(480);
});

/** Plain comparisons: a matcher costs more than the answer. A failure names the packet. */
function checkAnswer(packet: Uint8Array, { isRead }: { isRead: boolean }): void {
  const problem = problemWith(packet, isRead);
  if (problem !== undefined) throw new Error(`${problem}: ${Buffer.from(packet).toString('hex')}`);
}

function problemWith(packet: Uint8Array, isRead: boolean): string | undefined {
  const [message, ...more] = answersTo(packet);
  const isDropped = packet.length < 12 || ((packet[2] ?? 0) & 0x80) !== 0;
  if (more.length > 0 || (message === undefined) !== isDropped) return 'not answered once, or not dropped';
  if (message === undefined) return undefined;
  const mayHaveOpt = packet.includes(41);
  if (message.length > (mayHaveOpt ? 1232 : 512)) return `${message.length} bytes`;
  if (message[0] !== packet[0] || message[1] !== packet[1]) return 'another id';
  if (isRead) dnsPacket.decode(Buffer.from(message));
  return undefined;
}

function answersTo(packet: Uint8Array): Uint8Array[] {
  const message = respondOverUdp(responder, kept, packet, '127.0.0.1');
  if (message instanceof Promise) throw new Error('an answer that has to wait');
  return message === undefined ? [] : [message];
}

type Random = (below: number) => number;

/** A linear congruential generator (Numerical Recipes): the same packets on every machine. */
function randomNumbers(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function aRandomPacket(random: Random): Uint8Array {
  return Uint8Array.from({ length: random(80) }, () => random(256));
}

function aMutatedPacket(random: Random): Uint8Array {
  let packet = Uint8Array.from(seeds[random(seeds.length)] ?? []);
  for (let left = random(4); left >= 0; left -= 1) packet = mutate(packet, random);
  return packet;
}

function mutate(packet: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const at = random(packet.length);
  switch (random(4)) {
    case 0:
      return packet.slice(0, at);
    case 1:
      return Uint8Array.from([...packet.subarray(0, at), random(256), ...packet.subarray(at)]);
    case 2:
      return Uint8Array.from(packet).fill(random(256), at, at + 1);
    default:
      return Uint8Array.from(packet).fill((packet[at] ?? 0) ^ (1 << random(8)), at, at + 1);
  }
}

function aQuestion(name: string, type: string, extra: Packet = {}): Buffer {
  return dnsPacket.encode({ type: 'query', id: 4710, questions: [{ name, type: type as 'A' }], ...extra });
}

function aResponder(): Responder {
  const index = new ZoneIndex({ ttlSeconds: 30 });
  const target = 'web.cluster.local.';
  const records: DnsRecord[] = Array.from({ length: 40 }, (_, number) => {
    return { name: target, ttlSeconds: 30, type: 'A', address: `10.0.0.${number}` };
  });
  const service = { ttlSeconds: 30, type: 'SRV', priority: 0, weight: 1, port: 80, target } as const;
  const recordSet = { cluster: 'shop', namespace: 'ns', name: 'web' };
  index.upsert({ ...recordSet, records: [...records, { ...service, name: '_http._tcp.web.cluster.local.' }] });
  index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 7);
  return {
    index,
    metrics: createDnsMetrics(createRegistry(), { index, staleness: new Staleness() }),
    logger: createLogger({ component: 'test', level: 'silent' }),
    transfers: aTransfers(index),
    maxUdpBytes: 1232,
    acl: new QueryAcl([]),
  };
}

function aTransfers(index: ZoneIndex): Transfers {
  const versions = new ZoneVersions(index);
  versions.advance({ isExact: true });
  const metrics = createTransferMetrics(createRegistry(), versions);
  const logger = createLogger({ component: 'test', level: 'silent' });
  return { index, versions, rules: new TransferRules(), keys: [KEY], metrics, logger };
}
