import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { memberSubject, watchGroup } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningService } from '@signalbox/kit';
import { manifestsSource } from '@signalbox/kube';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openSources } from './open-sources.ts';
import { startWatcherInTurn } from './take-turns.ts';

const POLL = { timeout: 10_000, interval: 10 };
const logger = createLogger({ component: 'test', level: 'silent' });
let folder = '';
let log: EventLog;
const running: RunningService[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-turns-'));
  log = openSqliteEventLog({ path: ':memory:' });
});
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
  await log.close();
  await rm(folder, { recursive: true, force: true });
});

const manifest = (name: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

/** `isActive`: what its /metrics say. */
async function watcher(): Promise<RunningService & { isActive: () => Promise<boolean> }> {
  const source = manifestsSource({
    cluster: 'shop',
    domain: 'cluster.local',
    logger,
    path: folder,
    stdin: Readable.from([]),
    clock: Date.now,
  });
  const registry = createRegistry();
  const started = await startWatcherInTurn({ log, logger, registry }, { sources: [source], leaseMs: 400 });
  running.push(started);
  const isActive = async () => (await registry.getSingleMetricAsString('signalbox_watch_active')).endsWith(' 1');
  return Object.assign(started, { isActive });
}

const hasNamespace = async (name: string): Promise<boolean> =>
  (await log.last('objects', `objects.all.Namespace.shop._.${name}`)) !== undefined;

test('one watches, the other stands by; it takes over at once and publishes only differences', async () => {
  await writeFile(join(folder, 'one.json'), manifest('one'));
  const first = await watcher();
  const second = await watcher();
  await expect.poll(() => hasNamespace('one'), POLL).toBe(true);
  await expect.poll(() => first.readiness().isReady && second.readiness().isReady, POLL).toBe(true);
  expect([await first.isActive(), await second.isActive()]).toEqual([true, false]);
  const { lastSequence } = await log.info('objects');
  await first.stop();
  await writeFile(join(folder, 'two.json'), manifest('two'));
  await expect.poll(() => hasNamespace('two'), POLL).toBe(true);
  expect((await log.info('objects')).lastSequence).toBe(lastSequence + 1);
  expect(await second.isActive()).toBe(true);
});

test('an active one ends when another one wrote objects of its cluster', async () => {
  const only = await watcher();
  await expect
    .poll(async () => (await log.last('objects', 'objects.all.Cluster.shop._.shop')) !== undefined, POLL)
    .toBe(true);
  await log.append('objects', { subject: 'objects.all.Namespace.shop._.late', data: '{}', headers: { writer: 'x' } });
  await expect(only.failure).rejects.toThrow(/was written by another watcher/);
});

test('tombstones of lives that ended days ago are removed from the leases too', async () => {
  const subject = memberSubject(watchGroup('shop'), 'gone');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 2 * 86_400_000 });
  await log.append('leases', { subject, data: null });
  vi.useRealTimers();
  await watcher();
  await expect.poll(() => log.last('leases', subject), POLL).toBeUndefined();
});

test('a path that is not there is refused at once, also where another one watches', () => {
  const requests = [{ type: 'manifests', cluster: 'shop', path: join(folder, 'mistyped') } as const];
  const flags = { requests, domains: { byCluster: new Map(), fallback: undefined }, forget: [] };
  const open = (): unknown => openSources(flags, { logger, stdin: Readable.from([]) });
  expect(open).toThrow(expect.objectContaining({ code: 'invalid', message: expect.stringContaining('mistyped') }));
});
