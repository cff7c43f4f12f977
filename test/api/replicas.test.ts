/** Two API replicas on one log, each with its own store, of which one can be held behind. */
import { Readable } from 'node:stream';
import { startApi } from '@signalbox/api';
import { runCli } from '@signalbox/cli';
import type { Intent, List, Problem, ServiceDetail, ServiceSummary } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HeldLog, holdableLog } from '../harness/held-log.ts';
import { type Answer, ask, openApi } from './ask.ts';
import { decided, putTargets, sayOfGroup } from './target-world.ts';
import {
  aCluster,
  acknowledge,
  aNode,
  aService,
  openWorld,
  put,
  putDerivedService,
  quietLogger,
  type World,
  watermark,
} from './world.ts';

const WEB = { cluster: 'c1', namespace: 'shop', name: 'web' };
const ZONE = '/v1/intents/dns-zones/example.com';
const SERVICE = '/v1/clusters/c1/namespaces/shop/services/web';

let log: EventLog;
let held: HeldLog;
let worlds: World[];
let first: ReturnType<typeof openApi>;
let second: ReturnType<typeof openApi>;

beforeEach(async () => {
  log = openSqliteEventLog({ path: ':memory:' });
  held = holdableLog(log);
  worlds = [await openWorld({ log }), await openWorld({ log: held })];
  [first, second] = worlds.map((world) => openApi(world, { log })) as [typeof first, typeof second];
});
afterEach(async () => {
  held.release();
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  for (const world of worlds) await world[Symbol.asyncDispose]();
  await log.close();
});

const atLeast = (revision: number | 'latest') => ({ 'x-signalbox-min-revision': String(revision) });
const answerRevision = ({ headers }: Answer<unknown>) => Number(headers.get('x-signalbox-revision'));

function putZone(api = first): Promise<Answer<Intent>> {
  const headers = { 'content-type': 'application/json' };
  return ask<Intent>(api, ZONE, { method: 'PUT', headers, body: '{}' });
}

const untilWaiting = (api: typeof first, count = 1) => expect.poll(() => api.revisionWaiters()).toBe(count);

describe('a replica that is behind', () => {
  test('answers with what it has when any revision will do, and says which', async () => {
    const revision = await putDerivedService(log, WEB);
    await worlds[1]?.projector.processAll();
    held.hold();
    await put(log, 'c1', aService('web', { labels: { app: 'new' } }));
    await watermark(log, revision + 1);
    await worlds[0]?.projector.processAll();
    const [new_, old] = [await ask<ServiceDetail>(first, SERVICE), await ask<ServiceDetail>(second, SERVICE)];
    expect([answerRevision(new_), answerRevision(old)]).toEqual([revision + 1, revision]);
    expect([new_.body.revision, old.body.revision]).toEqual([revision + 1, revision]);
  });

  test.for([
    ['named', false],
    ['the latest', true],
  ] as const)('waits until it holds what another one wrote, when the revision is %s', async ([, isLatest]) => {
    held.hold();
    const { body } = await putZone();
    expect((await ask(second, ZONE)).status).toBe(404);
    const reading = ask<Intent>(second, ZONE, atLeast(isLatest ? 'latest' : body.revision));
    await untilWaiting(second);
    held.release();
    const read = await reading;
    expect([read.status, read.body, answerRevision(read)]).toEqual([200, body, body.revision]);
    expect(second.revisionWaiters()).toBe(0);
  });

  test('answers what is derived only when every layer has derived that revision', async () => {
    const revision = await putDerivedService(log, WEB);
    const wanted = await put(log, 'c1', aService('web', { labels: { app: 'new' } }));
    const reading = ask<ServiceDetail>(first, SERVICE, atLeast(wanted));
    await untilWaiting(first);
    await watermark(log, wanted, { layers: ['proxy', 'dns'] });
    await worlds[0]?.projector.processAll();
    expect([first.revisionWaiters(), answerRevision(await ask(first, SERVICE))]).toEqual([1, revision]);
    await watermark(log, wanted, { layers: ['lb'] });
    expect((await reading).body).toMatchObject({ revision: wanted, summary: { labels: { app: 'new' } } });
  });

  test('gives up after a while, and names both revisions', async () => {
    await worlds[1]?.projector.processAll();
    using impatient = openApi(worlds[1] as World, { log, revisionWaitMs: 20 });
    held.hold();
    const { body } = await putZone();
    const answer = await ask<Problem>(impatient, ZONE, atLeast(body.revision));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.body).toMatchObject({ code: 'unavailable', revision: 0, minRevision: body.revision });
    expect(impatient.revisionWaiters()).toBe(0);
  });

  test('waits no longer than its client, and not when it is stopped', async () => {
    held.hold();
    const hangUp = new AbortController();
    const gone = ask(second, ZONE, { headers: atLeast(99), signal: hangUp.signal });
    const stopped = ask(second, ZONE, { headers: atLeast(99) });
    await untilWaiting(second, 2);
    hangUp.abort();
    await untilWaiting(second, 1);
    second.close();
    expect((await Promise.all([gone, stopped])).map(({ status }) => status)).toEqual([503, 503]);
  });

  test('takes an intent only after all that were taken before it', async () => {
    held.hold();
    await putZone();
    const spec = JSON.stringify({ name: 'www.example.com', type: 'A', values: ['192.0.2.1'] });
    const headers = { 'content-type': 'application/json' };
    const writing = ask(second, '/v1/intents/dns-records/www', { method: 'PUT', headers, body: spec });
    held.release();
    expect((await writing).status).toBe(201);
  });

  test('waits for the revision of the pages before', async () => {
    const revision = await putDerivedService(log, WEB);
    await worlds[1]?.projector.processAll();
    held.hold();
    await putDerivedService(log, { ...WEB, name: 'api' });
    await worlds[0]?.projector.processAll();
    const page = await ask<List<ServiceSummary>>(first, '/v1/services?limit=1');
    const reading = ask<List<ServiceSummary>>(second, `/v1/services?limit=1&next=${page.body.next}`);
    await untilWaiting(second);
    held.release();
    const { body } = await reading;
    expect([page.body, body].flatMap(({ items }) => items.map(({ name }) => name))).toEqual(['api', 'web']);
    expect(body.revision).toBe(revision + 2);
  });
});

test.for(['-1', 'newest', '1.5', ''])('a least revision of "%s" is refused', async (text) => {
  const { status, body } = await ask<Problem>(first, ZONE, { 'x-signalbox-min-revision': text });
  expect([status, body.errors?.[0]?.parameter]).toEqual([400, 'x-signalbox-min-revision']);
});

test('no more than a thousand requests wait', async () => {
  const waiting = Array.from({ length: 1_000 }, () => ask(first, ZONE, atLeast(9)));
  await untilWaiting(first, 1_000);
  const { status, body } = await ask<Problem>(first, ZONE, atLeast(9));
  expect([status, body.detail]).toEqual([503, 'too many requests wait for a revision; try again later']);
  first.close();
  await Promise.all(waiting);
});

/** What stands for the parameters of paths. */
const PLACES: Readonly<Record<string, string>> = {
  cluster: 'c1',
  namespace: 'shop',
  name: 'web',
  node: 'node-1',
  zone: 'cluster.local',
  class: '_',
  id: encodeURIComponent('c1/shop/web:80/TCP'),
  revision: '2',
  kind: 'dns-zones',
};

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, { get?: { parameters?: { $ref?: string }[]; responses: object } }>>;
}

test('every answer of a revision says which, and every such route waits for one', async () => {
  await put(log, 'c1', aCluster('c1'));
  await put(log, 'c1', aNode('node-1'));
  await putZone();
  const revision = await putDerivedService(log, WEB);
  await putTargets(log, WEB, ['10.0.0.1'], { revision });
  await sayOfGroup(log, WEB);
  await decided(log, revision);
  await acknowledge(log, { node: 'node-1', revision });
  await worlds[0]?.projector.processAll();
  using impatient = openApi(worlds[0] as World, { log, revisionWaitMs: 1 });
  const { body } = await ask<OpenApiDocument>(impatient, '/openapi.json');
  const routes = Object.entries(body.paths).flatMap(([path, { get }]) => {
    const isOfRevision = get?.parameters?.some(({ $ref }) => $ref === '#/components/parameters/MinRevision');
    return isOfRevision === true ? [path] : [];
  });
  expect(routes.length).toBeGreaterThan(25);
  for (const route of routes.filter((path) => !OTHER_WORLDS.has(path))) {
    const query = route.endsWith('/resolve') ? '?name=web' : '';
    const path = `${route.replace(/\{(\w+)\}/g, (_, name: string) => PLACES[name] ?? '')}${query}`.replace(
      'dns-zones/web',
      'dns-zones/example.com',
    );
    const answer = await ask(impatient, path, atLeast(revision));
    expect([path, answer.status, answerRevision(answer)]).toEqual([path, 200, revision]);
    const early = await ask<Problem>(impatient, path, atLeast(revision + 1));
    expect([path, early.status, early.body.minRevision]).toEqual([path, 503, revision + 1]);
  }
});

/** Answered from what other tests set up: a zone of intents, a node's report on its kernel. */
const OTHER_WORLDS = new Set(['/v1/zones/{zone}', '/v1/clusters/{cluster}/nodes/{node}/drift']);

describe('the command line', () => {
  async function signalbox(line: string, url: string): Promise<string> {
    const text = { out: '' };
    const write = (chunk: string) => (text.out += chunk);
    const streams = { stdin: Readable.from([]), stdout: { columns: 80, write }, stderr: { write } };
    await runCli([...line.split(' '), '--api', url], streams);
    return text.out;
  }

  const start = (own: EventLog) =>
    startApi(
      { log: own, logger: quietLogger, registry: createRegistry() },
      { storePath: ':memory:', listen: { address: '127.0.0.1', port: 0 } },
    );

  test('reads from one replica what it has just written through another', async () => {
    const [ahead, behind] = [await start(log), await start(held)];
    try {
      await behind.processAll();
      held.hold();
      const written = await signalbox('dns set-zone example.com', ahead.url);
      expect(written).toBe('set at revision 1\n');
      expect(await signalbox('dns list --min-revision 0', behind.url)).toMatch(/^Nothing is set/);
      const listing = signalbox('dns list', behind.url);
      await expect.poll(() => metric(behind.url, 'signalbox_api_revision_waiters')).toBe(3);
      held.release();
      expect(await listing).toContain('example.com');
    } finally {
      held.release();
      await ahead.stop();
      await behind.stop();
    }
  });
});

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}
