/** A secondary that answers as told: what it hears, and how often. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createLogger, createRegistry } from '@signalbox/kit';
import { readMessage, ZoneIndex } from '@signalbox/zones';
import { afterEach, describe, expect, test } from 'vitest';
import { startNotifier } from './notifier.ts';
import { createTransferMetrics } from './transfer-metrics.ts';
import { DEFAULT_TIMINGS, type TransferTimings } from './transfer-timings.ts';
import { ZoneVersions } from './zone-versions.ts';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** `answers` is how many of the first messages go unanswered, or the code of every answer. */
async function aLab(timings: Partial<TransferTimings>, answers: { unanswered?: number; code?: number } = {}) {
  const heard: { serial: number; atMs: number }[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (packet, from) => {
    const soa = readMessage(packet)?.answer[0]?.data ?? new Uint8Array(20);
    heard.push({ serial: Buffer.from(soa).readUInt32BE(soa.length - 20), atMs: Date.now() });
    if (heard.length <= (answers.unanswered ?? 0)) return;
    const answer = Uint8Array.from(packet.subarray(0, 12));
    answer.set([(answer[2] ?? 0) | 0x80, answers.code ?? 0, 0, 0, 0, 0, 0, 0, 0, 0], 2);
    socket.send(answer, from.port, from.address);
  });
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  cleanups.push(() => void socket.close());
  const index = new ZoneIndex({ ttlSeconds: 30 });
  const versions = new ZoneVersions(index);
  const registry = createRegistry();
  const stopping = new AbortController();
  const notifier = startNotifier({
    targets: [{ zone: 'cluster.local.', peer: { address: '127.0.0.1', port: socket.address().port, key: undefined } }],
    versions,
    metrics: createTransferMetrics(registry, versions),
    logger: createLogger({ component: 'test', level: 'silent' }),
    timings: { ...DEFAULT_TIMINGS, timeoutMs: 5000, minRetryMs: 10, maxRetryMs: 20, ...timings },
    signal: stopping.signal,
  });
  cleanups.push(async () => {
    stopping.abort();
    await notifier.stopped();
  });
  const change = (revision: number) => {
    const record = {
      name: 'web.cluster.local.',
      ttlSeconds: 30,
      type: 'A' as const,
      address: `10.0.0.${revision % 250}`,
    };
    index.upsert({ cluster: 'shop', namespace: 'ns', name: 'web', records: [record] });
    index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], revision);
    versions.advance({ isExact: true });
  };
  return { heard, change, registry };
}

async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('timed out');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a secondary', () => {
  test('hears at once, then of many changes once, the last one, an interval later', async () => {
    const { heard, change } = await aLab({ notifyIntervalMs: 300 });
    change(1);
    await waitFor(() => heard.length === 1);
    for (let revision = 2; revision <= 50; revision += 1) change(revision);
    await waitFor(() => heard.length === 2);
    expect(heard.map(({ serial }) => serial)).toEqual([1, 50]);
    expect((heard[1]?.atMs ?? 0) - (heard[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(290);
  });

  test('hears again until it answers, and then no more', async () => {
    const { heard, change, registry } = await aLab({ notifyIntervalMs: 1, timeoutMs: 100 }, { unanswered: 3 });
    change(1);
    await waitFor(() => heard.length >= 4);
    change(2);
    await waitFor(() => heard.at(-1)?.serial === 2);
    expect(heard.slice(0, 4).map(({ serial }) => serial)).toEqual([1, 1, 1, 1]);
    expect(await registry.metrics()).toMatch(/notifications_total\{result="failed"\} [3-9]/);
  });

  test('that refuses is asked again', async () => {
    const { heard, change, registry } = await aLab({}, { code: 5 });
    change(1);
    await waitFor(() => heard.length > 2);
    expect(await registry.metrics()).toMatch(/notifications_total\{result="refused"\} [2-9]/);
  });
});
