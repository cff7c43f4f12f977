/** Whatever comes in, both ways of receiving UDP give the same answers. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { DnsRecord } from '@signalbox/contracts';
import { loadNative } from '@signalbox/udp-batch';
import dnsPacket, { type Answer, type RecordType } from 'dns-packet';
import { expect, test } from 'vitest';
import { seededRandom } from '../harness/cluster-changes.ts';
import { documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';

const NAME = 'web.a.svc.cluster.local';
const PACKETS = 4000;
const BARRIER_ID = 0xfffe;
const OPT = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as unknown as Answer;

const native = loadNative();
/** Skipped where the native part could not be built; CI has a compiler, and fails. */
const batchTest = typeof native === 'string' && !process.env.CI ? test.skip : test;

batchTest('mutated packets are answered alike', { timeout: 120_000 }, async () => {
  await using batch = await startDnsLab({ udpReceiver: 'batch' });
  await using dgram = await startDnsLab({ udpReceiver: 'dgram' });
  const records = Array.from({ length: 40 }, (_, at): DnsRecord => {
    return { type: 'A', name: `${at < 3 ? NAME : `pod-${at}.${NAME}`}.`, ttlSeconds: 30, address: `10.0.0.${at}` };
  });
  const alias: DnsRecord = { type: 'CNAME', name: `out.${NAME}.`, ttlSeconds: 30, target: 'elsewhere.example.' };
  const recordSet = { cluster: 'shop', namespace: 'a', name: 'web', records: [...records, alias] };
  const clients = await Promise.all([batch, dgram].map((lab) => aClient(lab.port)));
  for (const { log, server } of [batch, dgram]) {
    await log.appendAll('derived', [
      documentEntry(recordSet),
      watermarkEntry(1, { shop: { domain: 'cluster.local' } }),
    ]);
    await waitFor(() => server.readiness().isReady, 'the zones');
  }
  const random = seededRandom(53);
  let answered = 0;
  for (let run = 0; run < PACKETS; run += 1) {
    const packet = aPacket(random);
    const [one = [], other = []] = await Promise.all(clients.map((socket) => repliesTo(socket, packet)));
    expect([packet.toString('hex'), ...one]).toEqual([packet.toString('hex'), ...other]);
    answered += one.length;
  }
  expect(answered).toBeGreaterThan(PACKETS / 4);
  for (const socket of clients) socket.close();
});

async function aClient(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** What comes before the answer to a question that is asked after it. */
async function repliesTo(socket: Socket, packet: Buffer): Promise<string[]> {
  const replies: string[] = [];
  socket.send(packet);
  socket.send(aQuestion(BARRIER_ID, 'barrier.cluster.local', 'A'));
  for await (const [message] of on(socket)) {
    if (message.readUInt16BE(0) === BARRIER_ID) break;
    replies.push(message.toString('hex'));
  }
  return replies;
}

async function* on(socket: Socket): AsyncGenerator<[Buffer]> {
  const waiting: Buffer[] = [];
  let wake = (): void => {};
  const listener = (message: Buffer) => {
    waiting.push(message);
    wake();
  };
  socket.on('message', listener);
  try {
    for (;;) {
      const message = waiting.shift();
      if (message !== undefined) yield [message];
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    socket.off('message', listener);
  }
}

/** A question, whole or with some octets changed, cut off or added. */
function aPacket(random: () => number): Buffer {
  const choose = <Item>(...items: Item[]) => items[Math.floor(random() * items.length)] as Item;
  const name = choose(NAME, NAME.toUpperCase(), `pod-7.${NAME}`, `no.${NAME}`, `out.${NAME}`, 'example.com', '.');
  const type = choose<RecordType>('A', 'AAAA', 'SRV', 'ANY' as RecordType, 'SOA', 'AXFR', 'TXT');
  const packet = aQuestion(Math.floor(random() * 0xfff0), name, type, random() < 0.5 ? [OPT] : []);
  const changes = choose(0, 0, 1, 3);
  for (let change = 0; change < changes; change += 1) {
    packet[2 + Math.floor(random() * (packet.length - 2))] = Math.floor(random() * 256);
  }
  const cut = choose(0, 0, 0, 1, 5, 20);
  const added = choose(0, 0, 0, 3, 700);
  return Buffer.concat([packet.subarray(0, packet.length - cut), Buffer.alloc(added, choose(0, 0xc0, 0xff))]);
}

function aQuestion(id: number, name: string, type: RecordType, additionals: Answer[] = []): Buffer {
  return dnsPacket.encode({ type: 'query', id, flags: 0x100, questions: [{ name, type }], additionals });
}
