/** Target groups, leases and reports over HTTP, without a socket. */
import type {
  LeaseStatus,
  LoadBalancerSummary,
  Problem,
  TargetGroupDetail,
  TargetGroupList,
  TargetReason,
} from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { aTarget, decided, putTargets, removeTargets, WEB } from './target-world.ts';
import { openWorld, type World } from './world.ts';

const F5 = 'example.com/f5';
const CLASS = encodeURIComponent(F5);
const GROUPS = `/v1/load-balancers/${CLASS}/target-groups`;
const ONE = `${GROUPS}/${encodeURIComponent('c1/shop/web:80/TCP')}`;
const LEASE = `/v1/load-balancers/${CLASS}/lease`;
const START_MS = 1_772_352_000_000;

let world: World;
let api: ReturnType<typeof openApi>;
let clockMs: number;

beforeEach(async () => {
  world = await openWorld();
  clockMs = START_MS;
  api = openApi(world, { log: world.log, now: () => clockMs });
});
afterEach(async () => {
  api[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

function send<Body>(method: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const init = { method, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
  return ask<Body & Problem>(api, path, init);
}

async function f5Targets(addresses: readonly string[]): Promise<number> {
  const index = await putTargets(world.log, WEB, addresses, { loadBalancerClass: F5 });
  await decided(world.log, 7);
  await world.projector.processAll();
  return index;
}

const acquire = (controller: string, durationMs = 15_000) =>
  send<LeaseStatus>('POST', LEASE, { action: 'acquire', controller, durationMs });

describe('the target groups of a class', () => {
  test('are not told before anything was decided: an empty list would mean "remove everything"', async () => {
    expect((await ask(api, GROUPS)).status).toBe(503);
    await decided(world.log, 1);
    await world.projector.processAll();
    expect((await ask<TargetGroupList>(api, GROUPS)).body).toEqual({ index: 0, items: [] });
  });

  test('are one state with its index, tag and revision; others are not in it', async () => {
    await putTargets(world.log, { ...WEB, name: 'other' }, ['10.0.0.9']);
    const index = await f5Targets(['10.0.0.1', '10.0.0.2']);
    const { body, headers } = await ask<TargetGroupList>(api, GROUPS);
    expect(body.items.map(({ id, targets }) => [id, targets.map(({ address }) => address)])).toEqual([
      ['c1/shop/web:80/TCP', ['10.0.0.1', '10.0.0.2']],
    ]);
    expect(body.items[0]).toMatchObject({ cluster: 'c1', namespace: 'shop', service: 'web', index, revision: 7 });
    expect([body.index, headers.get('x-signalbox-index'), headers.get('x-signalbox-revision')]).toEqual([
      index,
      String(index),
      '7',
    ]);
    const again = await ask(api, GROUPS, { 'if-none-match': headers.get('etag') ?? '' });
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', headers.get('etag')]);
    await removeTargets(world.log, WEB, F5);
    await world.projector.processAll();
    const gone = await ask<TargetGroupList>(api, GROUPS, { 'if-none-match': headers.get('etag') ?? '' });
    expect([gone.status, gone.body.items, gone.body.index > index]).toEqual([200, [], true]);
  });

  test('of Services without a class are under _', async () => {
    await putTargets(world.log, WEB, ['10.0.0.9']);
    await f5Targets([]);
    const { body } = await ask<TargetGroupList>(api, '/v1/load-balancers/_/target-groups');
    expect(body.items.map(({ loadBalancerClass }) => loadBalancerClass)).toEqual(['']);
  });

  test('are narrowed by cluster, namespace and service, and by nothing else', async () => {
    await f5Targets([]);
    const itemsFor = async (query: string) => (await ask<TargetGroupList>(api, `${GROUPS}?${query}`)).body.items.length;
    expect([await itemsFor('cluster=c1&service=web'), await itemsFor('namespace=other')]).toEqual([1, 0]);
    for (const query of ['colour=red', 'index=-1', 'wait=5', 'wait=1h']) {
      expect((await ask(api, `${GROUPS}?${query}`)).status).toBe(400);
    }
  });
});

describe('a blocking query', () => {
  test('is answered when something of its class changes after its index, not before', async () => {
    const index = await f5Targets(['10.0.0.1']);
    let isAnswered = false;
    const waiting = ask<TargetGroupList>(api, `${GROUPS}?index=${index}&wait=1m`).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await expect.poll(() => api.waiters()).toBe(1);
    await putTargets(world.log, WEB, ['10.0.0.7']);
    await decided(world.log, 8);
    await world.projector.processAll();
    expect([isAnswered, api.waiters()]).toEqual([false, 1]);
    const newer = await f5Targets(['10.0.0.2']);
    expect((await waiting).body).toMatchObject({ index: newer, items: [{ targets: [{ address: '10.0.0.2' }] }] });
    expect(api.waiters()).toBe(0);
  });

  test('with an old index is answered at once, and without any change when the time is up', async () => {
    const index = await f5Targets(['10.0.0.1']);
    expect((await ask<TargetGroupList>(api, `${GROUPS}?index=${index - 1}&wait=5m`)).body.index).toBe(index);
    expect((await ask<TargetGroupList>(api, `${GROUPS}?index=${index}&wait=20ms`)).body.index).toBe(index);
    const same = await ask(api, `${GROUPS}?index=${index}&wait=20ms`, {
      'if-none-match': (await ask(api, GROUPS)).headers.get('etag') ?? '',
    });
    expect(same.status).toBe(304);
  });

  test('ends when its client goes away, and when the API is closed', async () => {
    const index = await f5Targets(['10.0.0.1']);
    const client = new AbortController();
    const path = `${GROUPS}?index=${index}`;
    const left = api.app.request(path, { signal: client.signal });
    await expect.poll(() => api.waiters()).toBe(1);
    client.abort();
    await left;
    expect(api.waiters()).toBe(0);
    const waiting = ask(api, path);
    await expect.poll(() => api.waiters()).toBe(1);
    api.close();
    expect((await waiting).status).toBe(200);
  });
});

describe('one target group', () => {
  test.for<[state: 'pending' | 'active' | 'draining' | 'gone', reason: TargetReason, why: RegExp]>([
    ['active', 'ready', /^gets traffic: the cluster wants it/],
    ['active', 'mass-removal-guard', /too many would go at once; confirm it/],
    ['pending', 'flapping', /^not in yet: came and went too often/],
    ['draining', 'terminating', /no new ones: the endpoint terminates/],
    ['gone', 'removed', /^out: the cluster does not want it/],
  ])('says of a target that is %s by %s why', async ([state, reason, why]) => {
    await putTargets(world.log, WEB, [aTarget('10.0.0.1', { state, reason })], { loadBalancerClass: F5 });
    await f5Decided();
    const { body } = await ask<TargetGroupDetail>(api, ONE);
    expect(body.targets[0]?.why).toMatch(why);
    expect([body.report, body.targets[0]?.health]).toEqual([null, null]);
  });

  test('that is not there is 404, and what is no id 400', async () => {
    await f5Targets([]);
    expect((await ask(api, `${GROUPS}/${encodeURIComponent('c1/shop/web:81/TCP')}`)).status).toBe(404);
    expect((await ask(api, `${GROUPS}/web`)).status).toBe(400);
  });

  const f5Decided = async () => {
    await decided(world.log, 7);
    await world.projector.processAll();
  };
});

describe('the lease', () => {
  test('is had by one controller at a time; another gets 409 that names it', async () => {
    expect((await ask(api, LEASE)).text).toBe('null');
    expect((await acquire('f5-a')).body).toMatchObject({ holder: 'f5-a', epoch: 1, state: 'held' });
    const refused = await acquire('f5-b');
    expect([refused.status, refused.body.detail]).toEqual([
      409,
      'the lease is held by f5-a with epoch 1 until 2026-03-01T08:00:15.000Z',
    ]);
    expect((await ask<LeaseStatus>(api, LEASE)).body.holder).toBe('f5-a');
  });

  test('goes over when it was not renewed in time, or given back', async () => {
    await acquire('f5-a');
    clockMs += 14_000;
    const renewed = await send<LeaseStatus>('POST', LEASE, { action: 'renew', controller: 'f5-a', epoch: 1 });
    expect(renewed.body.expiresAt).toBe('2026-03-01T08:00:29.000Z');
    clockMs += 15_000;
    expect((await ask<LeaseStatus>(api, LEASE)).body.state).toBe('expired');
    expect((await acquire('f5-b')).body).toMatchObject({ holder: 'f5-b', epoch: 2 });
    const late = await send('POST', LEASE, { action: 'renew', controller: 'f5-a', epoch: 1 });
    expect([late.status, late.body.detail]).toEqual([409, expect.stringContaining('held by f5-b with epoch 2')]);
    await send('POST', LEASE, { action: 'release', controller: 'f5-b', epoch: 2 });
    expect((await ask<LeaseStatus>(api, LEASE)).body).toMatchObject({ holder: '', state: 'free' });
    expect((await acquire('f5-a')).body).toMatchObject({ holder: 'f5-a', epoch: 3 });
  });

  test('of a controller that was restarted is its own again, and its earlier self is fenced', async () => {
    await acquire('f5-a');
    expect((await acquire('f5-a')).body.epoch).toBe(2);
    expect((await send('POST', LEASE, { action: 'renew', controller: 'f5-a', epoch: 1 })).status).toBe(409);
  });

  test('is won by one of many who ask at once', async () => {
    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => acquire(name)));
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409, 409, 409, 409]);
  });
});

describe('a report', () => {
  const report = (parts: object) =>
    send('PUT', `${ONE}/report`, { controller: 'f5-a', epoch: 1, revision: 7, ...parts });
  const healthy = { address: '10.0.0.1', port: 8080, health: 'healthy' };

  test('is shown with the group; times stay while nothing changes', async () => {
    const index = await f5Targets(['10.0.0.1', '10.0.0.2']);
    await acquire('f5-a');
    expect((await report({ index, targets: [healthy] })).body).toMatchObject({ isCurrent: true, error: '' });
    clockMs += 5_000;
    const unhealthy = { ...healthy, address: '10.0.0.2', health: 'unhealthy', detail: 'refused' };
    await report({ index, targets: [healthy, unhealthy] });
    const { body } = await ask<TargetGroupDetail>(api, ONE);
    expect(body.report).toEqual({
      controller: 'f5-a',
      index,
      revision: 7,
      programmedAt: '2026-03-01T08:00:00.000Z',
      error: '',
      reportedAt: '2026-03-01T08:00:05.000Z',
      isCurrent: true,
    });
    expect(body.targets.map(({ health }) => health)).toEqual([
      { health: 'healthy', since: '2026-03-01T08:00:00.000Z' },
      { health: 'unhealthy', since: '2026-03-01T08:00:05.000Z', detail: 'refused' },
    ]);
    await f5Targets(['10.0.0.3']);
    expect((await ask<TargetGroupDetail>(api, ONE)).body.report?.isCurrent).toBe(false);
  });

  test('of who does not hold the lease, or not any more, is refused and changes nothing', async () => {
    const index = await f5Targets(['10.0.0.1']);
    expect((await report({ index })).body.detail).toBe(
      'f5-a with epoch 1 does not hold the lease, it is held by nobody; acquire it first',
    );
    await acquire('f5-a');
    await report({ index });
    clockMs += 60_000;
    await acquire('f5-b');
    const stale = await report({ index, error: 'stale' });
    expect([stale.status, stale.body.detail]).toEqual([409, expect.stringContaining('held by f5-b with epoch 2')]);
    expect((await ask<TargetGroupDetail>(api, ONE)).body.report?.error).toBe('');
  });

  test('of a group that is gone is 404, and what is wrong with one is named', async () => {
    const index = await f5Targets(['10.0.0.1']);
    await acquire('f5-a');
    const wrong = await report({ index, targets: [{ ...healthy, health: 'fine' }] });
    expect([wrong.status, wrong.body.errors?.[0]?.parameter]).toEqual([400, 'targets.0.health']);
    expect((await report({ index, revision: 0 })).status).toBe(400);
    await removeTargets(world.log, WEB, F5);
    await world.projector.processAll();
    expect((await report({ index })).status).toBe(404);
  });
});

describe('an address', () => {
  const address = (ingress: object[], headers?: Record<string, string>) =>
    send<{ revision: number; intent: { metadata: object; spec: object } }>(
      'PUT',
      `${ONE}/address`,
      { controller: 'f5-a', epoch: 1, ingress },
      headers,
    );

  test('is an intent that says who gave it, changed only by who knows it', async () => {
    await f5Targets([]);
    await acquire('f5-a');
    const made = await address([{ ip: '203.0.113.7' }]);
    expect([made.status, made.headers.get('etag')]).toEqual([201, `"${made.body.revision}"`]);
    expect(made.body.intent).toEqual({
      kind: 'LoadBalancerAddress',
      metadata: { name: 'shop.web.c1' },
      spec: { service: WEB, ingress: [{ ip: '203.0.113.7' }], source: 'controller:f5-a' },
    });
    expect((await address([{ ip: '203.0.113.7' }])).body.revision).toBe(made.body.revision);
    expect((await address([{ hostname: 'lb.example.com' }], { 'if-match': '"99"' })).status).toBe(412);
    expect((await address([{ hostname: 'lb.example.com' }], { 'if-match': `"${made.body.revision}"` })).status).toBe(
      200,
    );
    const listed = await ask<{ items: unknown[] }>(api, '/v1/intents/load-balancer-addresses');
    expect(listed.body.items).toHaveLength(1);
  });

  test('from a pool is left alone, and one that is no address is named', async () => {
    await f5Targets([]);
    await acquire('f5-a');
    const wrong = await address([{ ip: '203.0.113' }]);
    expect([wrong.status, wrong.body.errors?.[0]?.parameter]).toEqual([400, 'spec.ingress[0].ip']);
    expect((await address([{ ip: '203.0.113.7', hostname: 'a.example.com' }])).status).toBe(400);
    const spec = { service: WEB, ingress: [{ ip: '203.0.113.8' }], source: 'pool:main' };
    expect((await send('PUT', '/v1/intents/load-balancer-addresses/shop.web.c1', spec)).status).toBe(201);
    const refused = await address([{ ip: '203.0.113.7' }]);
    expect([refused.status, refused.body.detail]).toEqual([409, 'shop/web in c1 has its address from pool:main']);
  });
});

describe('policies and confirmations', () => {
  const policy = (name: string, spec: object) => send('PUT', `/v1/intents/load-balancer-policies/${name}`, spec);

  test('are intents; a class has one policy', async () => {
    expect((await policy('f5', { loadBalancerClass: F5, isPaused: true })).status).toBe(201);
    const second = await policy('f5-2', { loadBalancerClass: F5 });
    expect([second.status, second.body.detail]).toEqual([
      409,
      'spec.loadBalancerClass: the class has a policy already, f5: change that one',
    ]);
    expect((await policy('f5', { loadBalancerClass: F5, colour: 'red' })).status).toBe(400);
    expect((await policy('x', { loadBalancerClass: 'x', flapping: { suppressAbove: 1, reuseBelow: 2 } })).status).toBe(
      400,
    );
    await f5Targets(['10.0.0.1']);
    const { body } = await ask<{ items: LoadBalancerSummary[] }>(api, '/v1/load-balancers');
    expect(body.items).toMatchObject([{ loadBalancerClass: F5, isPaused: true, groups: 1, lease: null }]);
    const service = { service: WEB, revision: 7 };
    expect((await send('PUT', '/v1/intents/load-balancer-confirmations/shop.web.c1', service)).status).toBe(201);
    expect((await send('DELETE', '/v1/intents/load-balancer-policies/f5', undefined)).status).toBe(200);
  });
});

test('a class whose controller died is told with its groups', async () => {
  await f5Targets(['10.0.0.1', '10.0.0.2']);
  await acquire('f5-a');
  clockMs += 15_000;
  const { body } = await ask<{ items: LoadBalancerSummary[] }>(api, '/v1/load-balancers');
  expect(body.items).toMatchObject([
    {
      loadBalancerClass: F5,
      groups: 1,
      targets: { active: 2 },
      programmed: 0,
      lease: { state: 'expired', holder: 'f5-a' },
    },
  ]);
});
