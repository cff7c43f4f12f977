/** Intents from the API to the zones that a resolver sees: written, derived by the real workers, and served. */
import type { Intent, List, PodResolution, Problem, ZoneDetail, ZoneSummary } from '@signalbox/contracts';
import { dnsWorker } from '@signalbox/dns-worker';
import { createRegistry, type RunningWorkers, startWorkers } from '@signalbox/kit';
import { lbWorker } from '@signalbox/lb-worker';
import { proxyWorker } from '@signalbox/proxy-worker';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, ask, openApi } from './ask.ts';
import { aCluster, aService, openWorld, put, quietLogger, type World } from './world.ts';

let world: World;
let api: ReturnType<typeof openApi>;
let workers: RunningWorkers;

beforeEach(async () => {
  world = await openWorld();
  workers = await startWorkers({ log: world.log, logger: quietLogger, registry: createRegistry() }, [
    proxyWorker,
    dnsWorker({ ttlSeconds: 30 }),
    lbWorker,
  ]);
  api = openApi(world, { log: world.log, hasExternalDns: true });
  await put(world.log, 'c1', aCluster('c1'));
  await settled();
});

afterEach(async () => {
  api[Symbol.dispose]();
  await workers.stop();
  await world[Symbol.asyncDispose]();
});

/** All that the log holds is derived and stored. */
async function settled(): Promise<void> {
  await workers.processAll();
  await world.projector.processAll();
}

function send<Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const init = { method, headers: { 'content-type': 'application/json', ...headers } };
  const content = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  return ask<Body>(api, path, { ...init, ...content });
}

const putZone = (name = 'example.com', spec: object = {}) => send<Intent>('PUT', `/v1/intents/dns-zones/${name}`, spec);
const putRecords = (id: string, spec: object, headers?: Record<string, string>) =>
  send<Intent & Problem>('PUT', `/v1/intents/dns-records/${id}`, spec, headers);
const www = (value = '192.0.2.1') => ({ name: 'www.example.com', type: 'A', values: [value] });

test('of two that contradict each other and come at once, one is taken', async () => {
  await putZone();
  const answers = await Promise.all([
    putRecords('one', www('192.0.2.1')),
    putRecords('two', www('192.0.2.2')),
    putRecords('three', { name: 'www.example.com', type: 'CNAME', values: ['other.example.org'] }),
  ]);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(2);
  const [deleted, added] = await Promise.all([
    send<Problem>('DELETE', '/v1/intents/dns-zones/example.com'),
    putRecords('four', { name: 'four.example.com', type: 'A', values: ['192.0.2.4'] }),
  ]);
  expect([deleted.status, added.status]).toEqual([409, 201]);
});

/** `NAME TTL TYPE DATA…` of the zone, without its own records. */
async function zoneLines(zone = 'example.com'): Promise<string[]> {
  await settled();
  const { body, status } = await ask<ZoneDetail>(api, `/v1/zones/${zone}`);
  if (status !== 200) return [`status ${status}`];
  const own = body.records.filter(({ type, name }) => type !== 'SOA' && type !== 'NS' && !name.startsWith('ns.dns.'));
  return own.map(({ name, ttlSeconds, type, ...data }) => [name, ttlSeconds, type, ...Object.values(data)].join(' '));
}

describe('an intent', () => {
  test('is answered with the revision that holds it, and can be read at once', async () => {
    await putZone();
    const made = await putRecords('www', www());
    expect([made.status, made.headers.get('etag')]).toEqual([201, `"${made.body.revision}"`]);
    const read = await ask<Intent>(api, '/v1/intents/dns-records/www');
    expect(read.body).toEqual(made.body);
    expect(await zoneLines()).toEqual(['www.example.com. 30 A 192.0.2.1']);
    const { body } = await ask<List<ZoneSummary>>(api, '/v1/zones');
    expect(body.items.map(({ cluster, name }) => `${cluster} ${name}`)).toEqual([' example.com.', 'c1 cluster.local.']);
  });

  test('that is there already makes no revision', async () => {
    await putZone();
    const first = await putRecords('www', www());
    const again = await putRecords('www', www());
    expect([again.status, again.body.revision]).toEqual([200, first.body.revision]);
  });

  test('is replaced only where the caller knows it', async () => {
    await putZone();
    const { body } = await putRecords('www', www());
    const stale = await putRecords('www', www('192.0.2.2'), { 'if-match': `"${body.revision - 1}"` });
    expect([stale.status, stale.body.detail]).toEqual([
      412,
      `the intent is at revision ${body.revision}; read it again`,
    ]);
    const right = await putRecords('www', www('192.0.2.2'), { 'if-match': `"${body.revision}"` });
    expect(right.status).toBe(200);
    expect((await putRecords('www', www(), { 'if-none-match': '*' })).status).toBe(412);
    expect((await putRecords('new', { ...www(), name: 'new.example.com' }, { 'if-none-match': '*' })).status).toBe(201);
    expect((await putRecords('www', www(), { 'if-match': 'soon' })).status).toBe(400);
  });

  test('is gone after it was deleted, and may come again', async () => {
    await putZone();
    await putRecords('www', www());
    expect((await send<Problem>('DELETE', '/v1/intents/dns-zones/example.com')).body.detail).toBe(
      'the zone example.com still holds DnsRecords www; delete these first',
    );
    expect((await send('DELETE', '/v1/intents/dns-records/www')).status).toBe(200);
    expect((await ask(api, '/v1/intents/dns-records/www')).status).toBe(404);
    expect((await send('DELETE', '/v1/intents/dns-records/www')).status).toBe(404);
    expect(await zoneLines()).toEqual([]);
    expect((await putRecords('www', www('192.0.2.3'), { 'if-none-match': '*' })).status).toBe(201);
    expect(await zoneLines()).toEqual(['www.example.com. 30 A 192.0.2.3']);
    await send('DELETE', '/v1/intents/dns-records/www');
    await send('DELETE', '/v1/intents/dns-zones/example.com');
    expect(await zoneLines()).toEqual(['status 404']);
  });

  test('is listed in pages', async () => {
    await putZone();
    for (const id of ['b', 'a', 'c']) await putRecords(id, { ...www(), name: `${id}.example.com` });
    const page = await ask<List<Intent>>(api, '/v1/intents/dns-records?limit=2');
    const next = await ask<List<Intent>>(api, `/v1/intents/dns-records?limit=2&next=${page.body.next}`);
    const names = [...page.body.items, ...next.body.items].map(({ intent }) => intent.metadata.name);
    expect([names, next.body.next]).toEqual([['a', 'b', 'c'], null]);
  });

  test('is in the history of revisions', async () => {
    const { body } = await putZone();
    const revision = await ask(api, `/v1/revisions/${body.revision}`);
    expect(revision.body).toMatchObject({ kind: 'DnsZone', cluster: '', name: 'example.com', operation: 'created' });
  });

  test.for<[status: number, parameter: string, spec: object]>([
    [400, 'spec.values[0]', { ...www(), name: 'b.example.com', values: ['192.0.2.256'] }],
    [400, 'spec.values[1]', { ...www(), type: 'MX', values: ['10 mail.example.com', 'mail.example.com'] }],
    [400, 'spec.name', { ...www(), name: 'www.example.org' }],
    [400, 'spec.name', { ...www(), name: 'www..example.com' }],
    [400, 'spec.type', { ...www(), type: 'PTR' }],
    [400, 'spec.type', { ...www(), name: 'example.com', type: 'CNAME', values: ['a.example.net'] }],
    [400, 'spec', { ...www(), colour: 'red' }],
    [400, 'spec.values', { ...www(), values: [] }],
    [409, 'spec.name', { ...www(), name: 'web.shop.svc.cluster.local' }],
    [409, 'spec.weight', www('192.0.2.9')],
    [409, 'spec.type', { ...www(), type: 'CNAME', values: ['a.example.net'] }],
  ])('that is wrong gets %i and names %s: %j', async ([status, parameter, spec]) => {
    await putZone();
    await putRecords('first', www());
    const answer = await putRecords('second', spec);
    expect([answer.status, answer.body.errors?.map((error) => error.parameter)]).toEqual([status, [parameter]]);
    expect(await zoneLines()).toEqual(['www.example.com. 30 A 192.0.2.1']);
  });

  test.for(['cluster.local', 'svc.cluster.local', 'in-addr.arpa', '10.in-addr.arpa'])(
    'cannot take the zone %s',
    async (name) => {
      const answer = await send<Problem>('PUT', `/v1/intents/dns-zones/${name}`, {});
      expect([answer.status, answer.body.errors?.[0]?.parameter]).toEqual([409, 'metadata.name']);
    },
  );
});

describe('a name for a Service', () => {
  const service = (ip: string, annotations?: Record<string, string>) => {
    const { metadata, ...rest } = aService('web', { spec: { type: 'LoadBalancer' } });
    return {
      ...rest,
      metadata: { ...metadata, annotations },
      status: { loadBalancer: { ingress: [{ ip }] } },
    };
  };
  const alias = { name: 'shop.example.com', service: { namespace: 'shop', name: 'web' } };

  test('follows the address of its load balancer, in every cluster, and its origin is told', async () => {
    await putZone('example.com', { ttlSeconds: 300 });
    await send('PUT', '/v1/intents/dns-aliases/shop', alias);
    expect(await zoneLines()).toEqual([]);
    await put(world.log, 'c1', service('203.0.113.7'));
    expect(await zoneLines()).toEqual(['shop.example.com. 300 A 203.0.113.7']);
    await put(world.log, 'c2', { ...aCluster('c2'), domain: 'c2.local' } as ReturnType<typeof aCluster>);
    await put(world.log, 'c2', service('203.0.113.8'));
    expect(await zoneLines()).toEqual(['shop.example.com. 300 A 203.0.113.7', 'shop.example.com. 300 A 203.0.113.8']);
    await put(world.log, 'c1', service('203.0.113.9'));
    expect(await zoneLines()).toContain('shop.example.com. 300 A 203.0.113.9');
    const path = '/v1/clusters/c1/namespaces/shop/resolve?name=shop.example.com.';
    const { body } = await ask<PodResolution>(api, path);
    expect(body.steps[0]?.records.map(({ origins }) => origins[0]?.cluster).sort()).toEqual(['c1', 'c2']);
    await send('DELETE', '/v1/intents/dns-aliases/shop');
    expect(await zoneLines()).toEqual([]);
  });

  test("comes from ExternalDNS's annotations too, in zones that are there", async () => {
    const hostname = 'www.example.com, www.example.org';
    const annotations = {
      'external-dns.alpha.kubernetes.io/hostname': hostname,
      'external-dns.alpha.kubernetes.io/ttl': '2m',
      'signalbox.dev/dns-ttl': '5',
    };
    await put(world.log, 'c1', service('203.0.113.7', annotations));
    expect(await zoneLines()).toEqual(['status 404']);
    await putZone();
    expect(await zoneLines()).toEqual(['www.example.com. 120 A 203.0.113.7']);
    const cluster = await ask(api, '/v1/clusters/c1/zones/cluster.local?format=text');
    expect(cluster.text).toContain('web.shop.svc.cluster.local.\t5\tIN\tA\t10.96.0.20');
    expect(cluster.text).not.toContain('example');
    await send('DELETE', '/v1/intents/dns-zones/example.com');
    expect(await zoneLines()).toEqual(['status 404']);
  });
});

describe('the webhook provider API of ExternalDNS', () => {
  const MEDIA_TYPE = 'application/external.dns.webhook+json;version=1';
  const post = (path: string, body: unknown): Promise<Answer<unknown>> =>
    send('POST', `/external-dns${path}`, body, { 'content-type': MEDIA_TYPE });
  const endpoint = { dnsName: 'www.example.com', recordType: 'A', targets: ['192.0.2.1'], recordTTL: 60 };
  const records = async () => (await ask<object[]>(api, '/external-dns/records')).body;

  test('negotiates its media type and the zones', async () => {
    expect((await ask(api, '/external-dns')).status).toBe(503);
    await putZone();
    const { headers, body } = await ask(api, '/external-dns', { headers: { accept: MEDIA_TYPE } });
    expect([headers.get('content-type'), headers.get('vary')]).toEqual([MEDIA_TYPE, 'Content-Type']);
    expect(body).toEqual({ include: ['example.com'], filters: ['example.com'] });
  });

  test('is not there unless enabled', async () => {
    using plain = openApi(world);
    expect((await ask(plain, '/external-dns/records')).status).toBe(404);
  });

  test('stores what is created, changes it, and forgets it', async () => {
    await putZone();
    const text = {
      dnsName: 'a-www.example.com',
      recordType: 'TXT',
      targets: ['"heritage=external-dns,owner=\\"x\\""'],
    };
    expect((await post('/records', { create: [endpoint, text] })).status).toBe(204);
    expect(await records()).toEqual([text, endpoint].sort((a, b) => (a.dnsName < b.dnsName ? -1 : 1)));
    expect(await zoneLines()).toEqual([
      'a-www.example.com. 30 TXT heritage=external-dns,owner="x"',
      'www.example.com. 60 A 192.0.2.1',
    ]);
    const changed = { ...endpoint, targets: ['192.0.2.2', '192.0.2.3'] };
    expect((await post('/records', { updateOld: [endpoint], updateNew: [changed] })).status).toBe(204);
    expect(await records()).toContainEqual(changed);
    expect((await post('/records', { delete: [changed, text] })).status).toBe(204);
    expect([await records(), await zoneLines()]).toEqual([[], []]);
  });

  test('neither sees nor deletes what people asked for', async () => {
    await putZone();
    await putRecords('mine', www());
    expect(await records()).toEqual([]);
    expect((await post('/records', { delete: [endpoint] })).status).toBe(204);
    expect(await zoneLines()).toEqual(['www.example.com. 30 A 192.0.2.1']);
  });

  test('leaves out of the plan what cannot be stored, and gives the rest as it will be read', async () => {
    await putZone();
    await putRecords('mine', www());
    const good = { ...endpoint, dnsName: 'New.example.com', labels: { owner: 'x' } };
    const bad = [
      endpoint,
      { ...endpoint, dnsName: 'www.example.org' },
      { ...endpoint, dnsName: 'x.example.com', recordType: 'NAPTR' },
      { ...endpoint, dnsName: 'y.example.com', targets: ['bogus'] },
    ];
    const { body, headers, status } = await post('/adjustendpoints', [...bad, good]);
    expect([status, headers.get('content-type')]).toEqual([200, MEDIA_TYPE]);
    expect(body).toEqual([{ ...good, dnsName: 'new.example.com' }]);
  });

  test('stores nothing of changes of which one is wrong', async () => {
    await putZone();
    const bad = { ...endpoint, dnsName: 'www.example.org' };
    expect((await post('/records', { create: [{ ...endpoint, dnsName: 'ok.example.com' }, bad] })).status).toBe(400);
    expect(await records()).toEqual([]);
    expect((await post('/records', { create: [{ dnsName: 7 }] })).status).toBe(400);
    expect((await send('POST', '/external-dns/records', '{}', { 'content-type': 'text/plain' })).status).toBe(400);
  });

  test('takes weighted sets by their identifier', async () => {
    await putZone();
    const set = (setIdentifier: string, ip: string, weight: string) => ({
      ...endpoint,
      targets: [ip],
      setIdentifier,
      providerSpecific: [{ name: 'webhook/weight', value: weight }],
    });
    const both = [set('new', '192.0.2.2', '1'), set('old', '192.0.2.1', '9')];
    expect((await post('/records', { create: both })).status).toBe(204);
    expect(await records()).toEqual(both);
  });
});
