/** Who may ask, and how often, over real sockets: loopback has a whole network of source addresses (127.0.0.0/8). */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { RecordSet } from '@signalbox/contracts';
import type { DnsServerOptions } from '@signalbox/dns-server';
import dnsPacket, { type DecodedPacket } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';

const WEB = 'web.shop.svc.cluster.local';
const REVERSE = '1.0.96.10.in-addr.arpa';
const END = 'end.shop.svc.cluster.local';
const RATE = 5;
const REFUSED = 5;

describe('with a limit of answers', () => {
  test('one network gets so many of a kind; then every second one is truncated, the rest dropped', async () => {
    await using lab = await aLab({ rateLimit: RATE });
    const first = await askMany(lab, '127.0.0.1', Array<string>(25).fill(WEB));
    // A slow machine may earn a further answer meanwhile.
    expect(first.whole).toBeGreaterThanOrEqual(RATE);
    expect(first.whole).toBeLessThan(RATE + 3);
    expect(first.truncated).toBe(Math.floor((25 - first.whole) / 2));
    const limited = await metricOf(lab, 'signalbox_dns_rate_limited_total');
    expect(limited).toEqual({ slip: first.truncated, drop: 25 - first.whole - first.truncated });
  });

  test('addresses of one network share it, another network has its own', async () => {
    await using lab = await aLab({ rateLimit: RATE });
    await askMany(lab, '127.0.0.1', Array<string>(25).fill(WEB));
    expect((await askMany(lab, '127.0.0.200', [WEB, WEB])).whole).toBeLessThan(2);
    expect((await askMany(lab, '127.0.1.1', [WEB, WEB])).whole).toBe(2);
    expect((await askMany(lab, '127.77.0.1', [WEB, WEB])).whole).toBe(2);
  });

  test('each name that exists has its own, all that do not share one', async () => {
    await using lab = await aLab({ rateLimit: RATE });
    await askMany(lab, '127.0.0.1', Array<string>(25).fill(WEB));
    expect((await askMany(lab, '127.0.0.1', ['other.shop.svc.cluster.local'])).whole).toBe(1);
    const missing = Array.from({ length: 25 }, (_, index) => `x${index}.shop.svc.cluster.local`);
    const { whole, truncated } = await askMany(lab, '127.0.0.1', missing);
    expect(whole).toBeLessThan(RATE + 3);
    expect(truncated).toBe(Math.floor((25 - whole) / 2));
  });

  test('whoever comes again over TCP gets the answer', async () => {
    await using lab = await aLab({ rateLimit: 1, rateLimitSlip: 1 });
    const { truncated } = await askMany(lab, '127.0.0.1', [WEB, WEB, WEB]);
    expect(truncated).toBeGreaterThan(0);
    for (let again = 0; again < 3; again += 1) {
      expect((await askOverTcp(lab, '127.0.0.1', WEB)).answers).toHaveLength(1);
    }
  });

  test('without slip nothing over the limit is sent', async () => {
    await using lab = await aLab({ rateLimit: RATE, rateLimitSlip: 0 });
    expect((await askMany(lab, '127.0.0.1', Array<string>(25).fill(WEB))).truncated).toBe(0);
  });
});

describe('with rules of who may ask', () => {
  const rules = ['127.0.0.0/24', 'in-addr.arpa=127.0.1.0/24'];
  const cases = [
    { from: '127.0.0.9', name: WEB, code: 0 },
    { from: '127.0.1.9', name: WEB, code: REFUSED },
    { from: '127.0.1.9', name: REVERSE, code: 0 },
    { from: '127.0.0.9', name: REVERSE, code: REFUSED },
    { from: '127.9.9.9', name: WEB, code: REFUSED },
    { from: '127.9.9.9', name: 'nosuch.cluster.local', code: REFUSED },
  ];

  test('each zone is answered to those it may be, over UDP and TCP, whoever asked before', async () => {
    await using lab = await aLab({ allowQuery: rules });
    // Twice, because the second time the answer is a copy.
    for (const { from, name, code } of [...cases, ...cases]) {
      const overUdp = await askOverUdp(lab, from, name);
      const overTcp = await askOverTcp(lab, from, name);
      expect({ from, name, codes: [codeOf(overUdp), codeOf(overTcp)] }).toEqual({ from, name, codes: [code, code] });
      expect(overUdp.answers).toHaveLength(code === 0 ? 1 : 0);
    }
  });

  test('transfers have rules of their own', async () => {
    await using lab = await aLab({ transferTo: ['cluster.local=127.0.2.0/24'] });
    const allowed = await askOverTcp(lab, '127.0.2.1', 'cluster.local', 'AXFR');
    expect(allowed.answers?.length).toBeGreaterThan(3);
    expect(codeOf(await askOverTcp(lab, '127.0.0.1', 'cluster.local', 'AXFR'))).toBe(REFUSED);
    expect(codeOf(await askOverTcp(lab, '127.0.2.1', 'in-addr.arpa', 'AXFR'))).toBe(REFUSED);
  });
});

async function aLab(options: Partial<DnsServerOptions>): Promise<DnsLab> {
  const lab = await startDnsLab(options);
  const services = ['web', 'other', 'end'].map((name) => documentEntry(aService(name)));
  await lab.log.appendAll('derived', [...services, watermarkEntry(1, { shop: { domain: 'cluster.local' } })]);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  return lab;
}

function aService(name: string): RecordSet {
  const target = `${name}.shop.svc.cluster.local.`;
  const address = { name: target, ttlSeconds: 30, type: 'A', address: '10.96.0.1' } as const;
  const pointer = { name: `${REVERSE}.`, ttlSeconds: 30, type: 'PTR', target } as const;
  return { cluster: 'shop', namespace: 'shop', name, records: name === 'web' ? [address, pointer] : [address] };
}

/** What comes back for UDP questions in a row; a last question of another kind says when all has come. */
async function askMany(
  lab: DnsLab,
  from: string,
  names: readonly string[],
): Promise<{ whole: number; truncated: number }> {
  const replies = await overUdp(lab, from, [...names, END]);
  const counted = replies.filter((reply) => nameOf(reply) !== END);
  const truncated = counted.filter((reply) => reply.flag_tc);
  for (const reply of truncated) expect(reply.answers).toEqual([]);
  return { whole: counted.length - truncated.length, truncated: truncated.length };
}

async function askOverUdp(lab: DnsLab, from: string, name: string): Promise<DecodedPacket> {
  const [reply] = await overUdp(lab, from, [name]);
  if (reply === undefined) throw new Error('no reply');
  return reply;
}

/** Until the last question's reply has come. */
async function overUdp({ port }: DnsLab, from: string, names: readonly string[]): Promise<DecodedPacket[]> {
  const socket = createSocket('udp4');
  const replies: DecodedPacket[] = [];
  socket.on('message', (message) => replies.push(dnsPacket.decode(message)));
  socket.bind(0, from);
  await once(socket, 'listening');
  for (const name of names) socket.send(aQuestion(name), port, '127.0.0.1');
  await waitFor(() => nameOf(replies.at(-1)) === names.at(-1), `the reply about ${names.at(-1)}`);
  socket.close();
  return replies;
}

async function askOverTcp({ port }: DnsLab, from: string, name: string, type = 'A'): Promise<DecodedPacket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  const question = aQuestion(name, type);
  socket.end(Buffer.concat([Uint8Array.of(0, question.length), question]));
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return dnsPacket.decode(Buffer.concat(chunks).subarray(2));
}

function aQuestion(name: string, type = isReverse(name) ? 'PTR' : 'A'): Buffer {
  return dnsPacket.encode({ type: 'query', id: 7, questions: [{ name, type: type as 'A' }] });
}

function isReverse(name: string): boolean {
  return name.endsWith('.in-addr.arpa');
}

function nameOf(packet: DecodedPacket | undefined): string | undefined {
  return packet?.questions?.[0]?.name;
}

function codeOf({ flags = 0 }: DecodedPacket): number {
  return flags & 0xf;
}

async function metricOf({ registry }: DnsLab, name: string): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric(name)?.get();
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [String(labels.action), value]));
}
