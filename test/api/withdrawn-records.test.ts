/** Who may still hold an old address, until when: as told over HTTP, and counted. */
import type { DnsRecord, List, Problem, ServiceKey, WithdrawnRecord } from '@signalbox/contracts';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerMetrics } from '../../services/api/src/metrics.ts';
import { ask, openApi } from './ask.ts';
import { acknowledgeDns, aService, derive, openWorld, put, type World, watermark, withdraw } from './world.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };
const NAME = 'web.shop.svc.cluster.local.';

let world: World;
let api: ReturnType<typeof openApi>;
let laterMs = 0;

beforeEach(async () => {
  laterMs = 0;
  world = await openWorld();
  api = openApi(world, { now: () => Date.now() + laterMs });
});

afterEach(async () => {
  api[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

function address(text: string, name = NAME): DnsRecord {
  return { name, ttlSeconds: 30, type: 'A', address: text };
}

/** Derives the Service anew with these records, none for a tombstone, in a revision of its own. */
async function serve(records: readonly DnsRecord[] | undefined, key = WEB): Promise<number> {
  const revision = await put(world.log, key.cluster, aService('other', { labels: { at: String(Math.random()) } }));
  if (records === undefined) await withdraw(world.log, 'dns', key);
  else await derive(world.log, 'dns', { key, revision, document: { ...key, records: [...records] } });
  await watermark(world.log, revision);
  await world.projector.processAll();
  return revision;
}

async function withdrawn(query = ''): Promise<WithdrawnRecord[]> {
  const { status, body } = await ask<List<WithdrawnRecord>>(api, `/v1/withdrawn-records${query}`);
  expect(status).toBe(200);
  return [...body.items];
}

const statesOf = (items: readonly WithdrawnRecord[]) => items.map(({ data, state }) => `${data} ${state}`);

test('a removed endpoint is told with the end of its TTL, then as in grace, then no more', async () => {
  await serve([address('10.0.0.1'), address('10.0.0.2')]);
  expect(await withdrawn()).toEqual([]);
  const revision = await serve([address('10.0.0.1')]);
  const [item, ...others] = await withdrawn();
  expect(others).toEqual([]);
  expect(item).toMatchObject({
    name: NAME,
    type: 'A',
    data: '10.0.0.2',
    ttlSeconds: 30,
    cluster: 'c1',
    namespace: 'shop',
    service: 'web',
    isNameGone: false,
    withdrawnRevision: revision,
    state: 'ttl',
    servedBy: [],
  });
  expect(Date.parse(item?.heldUntil ?? '') - Date.parse(item?.withdrawnAt ?? '')).toBe(30_000);
  laterMs = 31_000;
  expect(statesOf(await withdrawn())).toEqual(['10.0.0.2 grace']);
  expect(await withdrawn('?graceSeconds=0')).toEqual([]);
  laterMs = 931_000;
  expect(await withdrawn()).toEqual([]);
});

test('a name that went is told as gone, and with its last address', async () => {
  await serve([address('10.0.0.1')]);
  await serve([address('10.0.0.9')]);
  await serve(undefined);
  const items = await withdrawn();
  expect(items.map(({ data, isNameGone }) => [data, isNameGone])).toEqual([
    ['10.0.0.1', true],
    ['10.0.0.9', true],
  ]);
});

test('an address that comes back is withdrawn no longer; gone again, it counts from then', async () => {
  await serve([address('10.0.0.1')]);
  await serve([]);
  await serve([address('10.0.0.1')]);
  expect(await withdrawn()).toEqual([]);
  const revision = await serve([]);
  expect((await withdrawn()).map(({ withdrawnRevision }) => withdrawnRevision)).toEqual([revision]);
});

test('while a DNS server has not acknowledged the revision, it still answers, and nobody can say until when', async () => {
  await serve([address('10.0.0.1')]);
  const revision = await serve([]);
  await acknowledgeDns(world.log, { consumer: 'dns-1', revision });
  await acknowledgeDns(world.log, { consumer: 'dns-2', revision: revision - 1 });
  await acknowledgeDns(world.log, { consumer: 'dns-3', cluster: 'c2', revision: revision - 1 });
  await world.projector.processAll();
  expect(await withdrawn()).toMatchObject([{ state: 'served', servedBy: ['dns-2'], heldUntil: null }]);
  await acknowledgeDns(world.log, { consumer: 'dns-2', revision });
  await world.projector.processAll();
  expect(statesOf(await withdrawn())).toEqual(['10.0.0.1 ttl']);
});

test('filters, and pages in a fixed order', async () => {
  const other = { ...WEB, namespace: 'other' };
  const many = Array.from({ length: 5 }, (_, index) => address(`10.0.0.${index}`));
  await serve(many);
  await serve([address('10.0.0.1', 'web.other.svc.cluster.local.')], other);
  await serve([]);
  await serve([], other);
  expect(statesOf(await withdrawn('?namespace=other'))).toEqual(['10.0.0.1 ttl']);
  expect(await withdrawn('?address=10.0.0.1')).toHaveLength(2);
  expect(await withdrawn('?name=WEB.shop.svc.cluster.local')).toHaveLength(5);
  const first = await ask<List<WithdrawnRecord>>(api, '/v1/withdrawn-records?limit=4');
  const rest = await ask<List<WithdrawnRecord>>(api, `/v1/withdrawn-records?limit=4&next=${first.body.next}`);
  expect([...first.body.items, ...rest.body.items]).toEqual(await withdrawn());
  expect(rest.body.next).toBeNull();
  expect((await ask<Problem>(api, '/v1/withdrawn-records?graceSeconds=100000')).status).toBe(400);
});

test('all that end in one revision are found, however many', async () => {
  const keys = Array.from({ length: 600 }, (_, index) => ({ ...WEB, name: `s${index}` }));
  const revision = await put(world.log, 'c1', aService('first'));
  for (const key of keys) {
    const records = [address('10.0.0.1', `${key.name}.shop.svc.cluster.local.`)];
    await derive(world.log, 'dns', { key, revision, document: { ...key, records } });
  }
  await watermark(world.log, revision);
  for (const key of keys) await withdraw(world.log, 'dns', key);
  await serve([]);
  expect(await withdrawn('?limit=1000')).toHaveLength(600);
});

test('they are counted', async () => {
  await serve([address('10.0.0.1'), address('10.0.0.2')]);
  await serve([]);
  const registry = createRegistry();
  const { store, projector } = world;
  registerMetrics(registry, { ...api, store, projector });
  const metric = await registry.getSingleMetric('signalbox_api_withdrawn_records')?.get();
  expect(metric?.values.map(({ labels, value }) => [labels.state, value])).toEqual([
    ['served', 0],
    ['ttl', 2],
    ['grace', 0],
  ]);
});
