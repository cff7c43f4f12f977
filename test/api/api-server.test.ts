import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningApi, startApi } from '@signalbox/api';
import type { List, ServiceKey, ServiceSummary } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { openStore } from '@signalbox/store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { electingLog } from '../harness/electing-log.ts';
import { aService, put, putDerivedService, quietLogger } from './world.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };

let folder: string;
let log: EventLog;
let running: RunningApi[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-api-'));
  log = openSqliteEventLog({ path: ':memory:' });
  running = [];
});
afterEach(async () => {
  for (const api of running) await api.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});

async function start(registry = createRegistry()): Promise<RunningApi> {
  const api = await startApi(
    { log, logger: quietLogger, registry },
    { storePath: join(folder, 'store.db'), listen: { address: '127.0.0.1', port: 0 } },
  );
  running.push(api);
  await api.processAll();
  return api;
}

test('a start that meets a log without leaders waits for them', async () => {
  await put(log, 'c1', aService('web', { namespace: 'shop' }));
  await (await start()).stop();
  const electing = electingLog(log, ['info', 'last']);
  const api = await startApi(
    { log: electing.log, logger: quietLogger, registry: createRegistry() },
    {
      storePath: join(folder, 'store.db'),
      listen: { address: '127.0.0.1', port: 0 },
      auth: 'token',
      adminTokenFile: join(folder, 'admin.token'),
    },
  );
  running.push(api);
  expect(electing.refused.size).toBe(2);
});

interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Reads events until it has as many as asked for, then hangs up. */
async function readEvents(url: string, count: number, headers: Record<string, string> = {}): Promise<ServerEvent[]> {
  const hangUp = new AbortController();
  const response = await fetch(url, { headers, signal: hangUp.signal });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events: ServerEvent[] = [];
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    events.push(...blocks.flatMap(parseEvent));
    if (events.length >= count) break;
  }
  hangUp.abort();
  return events;
}

function parseEvent(block: string): ServerEvent[] {
  const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]));
  const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
  return data === undefined
    ? []
    : [{ id: id ?? '', event: event ?? '', data: JSON.parse(data) as ServerEvent['data'] }];
}

async function waitFor(what: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function followers(api: RunningApi): Promise<number> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  return Number(/^signalbox_api_followers (\d+)$/m.exec(text)?.[1]);
}

test('serves what the log holds, and is ready when all is derived', async () => {
  const api = await start();
  expect(api.readiness().isReady).toBe(false);
  await putDerivedService(log, WEB);
  await api.processAll();
  expect(api.readiness()).toEqual({ isReady: true, reason: '' });
  const list = (await (await fetch(`${api.url}/v1/services`)).json()) as List<ServiceSummary>;
  expect(list.items.map(({ name }) => name)).toEqual(['web']);
});

test('changes come as they happen, and go on after the last one read, over a restart', async () => {
  const api = await start();
  await putDerivedService(log, WEB);
  await api.processAll();
  const reading = readEvents(`${api.url}/v1/changes`, 1);
  await waitFor(async () => (await followers(api)) === 1);
  await put(log, 'c1', aService('api'));
  const [first] = await reading;
  expect(first).toMatchObject({ event: 'object', data: { operation: 'created', kind: 'Service', name: 'api' } });
  await waitFor(async () => (await followers(api)) === 0);

  await api.stop();
  await put(log, 'c1', aService('late'));
  const again = await start();
  await put(log, 'c1', aService('later'));
  const rest = await readEvents(`${again.url}/v1/changes`, 2, { 'last-event-id': first?.id ?? '' });
  expect(rest.map(({ data }) => data.name)).toEqual(['late', 'later']);
});

test('every event of a service comes, each once, in order', async () => {
  const api = await start();
  const [reset] = await readEvents(`${api.url}/v1/changes?after=nonsense`, 1);
  expect(reset).toMatchObject({ event: 'reset', data: { revision: 0 } });
  const position = reset?.id ?? '';
  const live = readEvents(`${api.url}/v1/changes?after=${position}`, 800);
  for (let i = 0; i < 100; i += 1) {
    await putDerivedService(log, { ...WEB, name: `s${i}` });
    await api.processAll();
  }
  const events = await live;
  const replayed = await readEvents(`${api.url}/v1/changes?after=${position}`, 800);
  expect(events.slice(0, 800)).toEqual(replayed.slice(0, 800));
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['object', 'document', 'watermark']));
});

test('a client that does not read is not queued for, and loses nothing when it reads again', async () => {
  const api = await start();
  const socket = await followWithoutReading(api);
  const names = await reportMuch(api);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.resume();
  await waitFor(async () => text.includes(`"cluster":"${names.at(-1)}"`));
  const order = [...text.matchAll(/"cluster":"(n\d+)"/g)].map(([, name]) => name);
  expect(order).toEqual(names);
  socket.destroy();
  await waitFor(async () => (await followers(api)) === 0);
});

test('HEAD of the changes tells what they are, and follows nothing', async () => {
  const api = await start();
  const response = await fetch(`${api.url}/v1/changes`, { method: 'HEAD' });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(await response.text()).toBe('');
  expect(await followers(api)).toBe(0);
});

test('stopping ends the streams, closes the port and can be done twice', async () => {
  const api = await start();
  const reading = readEvents(`${api.url}/v1/changes`, 1);
  await waitFor(async () => (await followers(api)) === 1);
  await api.stop();
  expect(await reading).toEqual([]);
  await expect(fetch(`${api.url}/healthz`)).rejects.toThrow('fetch failed');
  await api.stop();
});

test('stopping does not wait for a client that does not read', async () => {
  const api = await start();
  const socket = await followWithoutReading(api);
  await reportMuch(api);
  await api.stop();
  socket.destroy();
});

test('a port that is taken is named', async () => {
  const api = await start();
  const port = Number(new URL(api.url).port);
  const second = startApi(
    { log, logger: quietLogger, registry: createRegistry() },
    { storePath: ':memory:', listen: { address: '127.0.0.1', port } },
  );
  await expect(second).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(`:${port}`) });
});

async function followWithoutReading(api: RunningApi): Promise<Socket> {
  const position = (await readEvents(`${api.url}/v1/changes?after=nonsense`, 1))[0]?.id ?? '';
  await waitFor(async () => (await followers(api)) === 0);
  const { hostname, port } = new URL(api.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.pause();
  socket.write(`GET /v1/changes?after=${position} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  await waitFor(async () => (await followers(api)) === 1);
  return socket;
}

/** Far more changes than the buffers of a connection take. Returns the names of the clusters, in order. */
async function reportMuch(api: RunningApi): Promise<string[]> {
  const names = Array.from({ length: 3_000 }, (_, index) => `n${index}`);
  for (let from = 0; from < names.length; from += 500) {
    await log.appendAll('status', names.slice(from, from + 500).map(longStatus));
    await api.processAll();
  }
  return names;
}

function longStatus(cluster: string) {
  const message = 'x'.repeat(4_000);
  const status = {
    cluster,
    kind: 'Service',
    state: 'failed',
    message,
    objects: 0,
    skipped: 0,
    resourceVersion: '',
    sinceMs: 1,
  };
  return { subject: `status.source.${cluster}.Service`, data: JSON.stringify(status) };
}

test('on loopback, a request under the name of another host is refused', async () => {
  const api = await start();
  const { port } = new URL(api.url);
  const statusFor = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/v1/clusters', headers: { host } };
      get(options, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });
  expect(await statusFor(`rebound.example:${port}`)).toBe(403);
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
    expect(await statusFor(host)).toBe(200);
});

test('a store has one API at a time; others may read it', async () => {
  const first = await start();
  await expect(start()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('store.db') });
  (await openStore({ path: join(folder, 'store.db') })).close();
  expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
  await first.stop();
  await start();
});
