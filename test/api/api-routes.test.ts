import {
  type ApiReadiness,
  type Cluster,
  type List,
  type LogObject,
  type Node,
  type NodeRules,
  nameForService,
  type Problem,
  type RegistrationItem,
  type Revision,
  type RevisionDetail,
  type ServiceDetail,
  type ServiceKey,
  type ServiceSummary,
  type ZoneDetail,
  type ZoneSummary,
} from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import {
  aCluster,
  acknowledge,
  aNode,
  aRegistration,
  aService,
  derive,
  openWorld,
  put,
  putDerivedService,
  remove,
  report,
  watermark,
  withdraw,
} from './world.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };
const WEB_PATH = '/v1/clusters/c1/namespaces/shop/services/web';

describe('before anything is derived', () => {
  test('lists are unavailable, not empty, and say what is missing', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    for (const path of ['/v1/services', '/v1/zones', '/v1/nodes', '/v1/registrations', WEB_PATH]) {
      const { status, body, headers } = await ask<Problem>(api, path);
      expect([path, status, body.code]).toEqual([path, 503, 'unavailable']);
      expect(body.detail).toContain('the dns layer has not derived anything yet');
      expect(headers.get('content-type')).toBe('application/problem+json');
    }
  });

  test('clusters and their sources are shown all the same', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    await report(world.log, { cluster: 'c1', state: 'unreachable', message: 'no route to host' });
    await world.projector.processAll();
    const { body } = await ask<List<Cluster>>(api, '/v1/clusters');
    expect(body.items).toMatchObject([
      {
        name: 'c1',
        domain: null,
        isSynced: false,
        missingLayers: ['proxy', 'dns', 'lb'],
        kinds: [{ kind: 'Service', state: 'unreachable', message: 'no route to host' }],
      },
    ]);
    const ready = await ask<ApiReadiness>(api, '/readyz');
    expect([ready.status, ready.body.isReady]).toEqual([503, false]);
  });
});

describe('a cluster that is not synced', () => {
  test('shows its services without anything derived, and no rules, zones or registrations', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    await putDerivedService(world.log, WEB);
    const late = { ...WEB, cluster: 'late' };
    const revision = await put(world.log, 'late', aService('web'));
    await put(world.log, 'late', aNode('node-1'));
    await derive(world.log, 'lb', { key: late, revision, document: { ...late, registrations: [aRegistration(late)] } });
    await watermark(world.log, revision + 1, { clusters: ['c1'] });
    await world.projector.processAll();

    const { body } = await ask<List<ServiceSummary>>(api, '/v1/services?cluster=late');
    expect(body.items).toMatchObject([{ isSynced: false, endpoints: null, layers: { lb: null } }]);
    const rules = await ask<Problem>(api, '/v1/clusters/late/nodes/node-1/rules');
    expect([rules.status, rules.body.detail]).toEqual([503, 'the cluster late is not synced yet (proxy)']);
    expect((await ask(api, '/v1/clusters/late/zones/cluster.local')).status).toBe(503);
    expect((await ask<List<unknown>>(api, '/v1/zones?cluster=late')).body.items).toEqual([]);
    expect((await ask<List<unknown>>(api, '/v1/registrations?cluster=late')).body.items).toEqual([]);
    const missing = await ask<Problem>(api, '/v1/clusters/late/namespaces/shop/services/other');
    expect([missing.status, missing.body.code]).toEqual([503, 'unavailable']);
    const ready = await ask<ApiReadiness>(api, '/readyz');
    expect(ready.body.isReady).toBe(true);
    await put(world.log, 'late', aCluster('late'));
    await world.projector.processAll();
    const unready = await ask<ApiReadiness>(api, '/readyz');
    expect(unready.body.missing).toEqual(['the cluster late is not synced (missing in proxy, dns, lb)']);
  });
});

describe('services', () => {
  test('one service comes with all that belongs to it', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const revision = await putDerivedService(world.log, WEB);
    await derive(world.log, 'lb', {
      key: WEB,
      revision,
      document: null,
      skipped: [{ path: 'spec.ports[0]', reason: 'no node port' }],
    });
    await world.projector.processAll();
    const { status, body } = await ask<ServiceDetail>(api, WEB_PATH);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      revision,
      summary: { isSynced: true, revision: 1, endpoints: { ready: 1, total: 1 }, layers: { proxy: revision } },
      service: { spec: { clusterIPs: ['10.96.0.20'] } },
      endpoints: [{ slice: 'web-1', addresses: ['10.244.1.5'], ready: true, node: 'node-1', revision }],
      plan: { revision, document: { clusterIPs: ['10.96.0.20'] } },
      records: { document: { records: [{ type: 'A', address: '10.96.0.20' }] } },
      registrations: { document: null },
      skipped: [{ layer: 'lb', path: 'spec.ports[0]', reason: 'no node port' }],
    });
  });

  test('a load balancer shows the address that an intent gave it, until the cluster says one', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    await put(world.log, 'c1', aCluster('c1'));
    const key = { cluster: 'c1', namespace: 'shop', name: 'lb' };
    const balanced = aService('lb', { spec: { type: 'LoadBalancer' } });
    const addresses = async (revision: number) => {
      await watermark(world.log, revision);
      await world.projector.processAll();
      const { body } = await ask<List<ServiceSummary>>(api, '/v1/services');
      return body.items.find(({ name }) => name === 'lb')?.externalAddresses;
    };
    await put(world.log, 'c1', balanced);
    const spec = { service: key, ingress: [{ ip: '192.0.2.1' }], source: 'pool:main' };
    const intent: LogObject = { kind: 'LoadBalancerAddress', metadata: { name: nameForService(key) }, spec };
    expect(await addresses(await put(world.log, '', intent))).toEqual(['192.0.2.1']);
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } };
    expect(await addresses(await put(world.log, 'c1', { ...balanced, status }))).toEqual(['198.51.100.7']);
  });

  test('filters by cluster, namespace and labels', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    for (const [cluster, namespace, name] of [
      ['c1', 'shop', 'web'],
      ['c1', 'shop', 'api'],
      ['c1', 'ops', 'api'],
      ['c2', 'shop', 'web'],
    ] as const) {
      await putDerivedService(world.log, { cluster, namespace, name });
    }
    await world.projector.processAll();
    const names = async (query: string) => {
      const { body } = await ask<List<ServiceSummary>>(api, `/v1/services?${query}`);
      return body.items.map(({ cluster, namespace, name }) => `${cluster}/${namespace}/${name}`);
    };
    expect(await names('')).toEqual(['c1/ops/api', 'c1/shop/api', 'c1/shop/web', 'c2/shop/web']);
    expect(await names('namespace=shop')).toEqual(['c1/shop/api', 'c1/shop/web', 'c2/shop/web']);
    expect(await names('cluster=c1&namespace=shop')).toEqual(['c1/shop/api', 'c1/shop/web']);
    expect(await names(`cluster=c1&labelSelector=${encodeURIComponent('app in (web,other)')}`)).toEqual([
      'c1/shop/web',
    ]);
    expect(await names('cluster=nowhere')).toEqual([]);
  });

  test('pages show one revision, whatever happens between them', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const names = Array.from({ length: 7 }, (_, index) => `s${index}`);
    for (const name of names) await putDerivedService(world.log, { ...WEB, name });
    await world.projector.processAll();
    const seen: string[] = [];
    const revisions = new Set<number>();
    for (let next: string | null = ''; next !== null; ) {
      const query: string = next === '' ? '' : `&next=${next}`;
      const { body } = await ask<List<ServiceSummary>>(api, `/v1/services?limit=3${query}`);
      seen.push(...body.items.map(({ name }) => name));
      revisions.add(body.revision);
      next = body.next;
      await putDerivedService(world.log, { ...WEB, name: `s3${seen.length}` });
      await world.projector.processAll();
    }
    expect(seen).toEqual(names);
    expect(revisions.size).toBe(1);
  });

  test('a token is refused with other filters, another revision, or when made up', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    for (const name of ['a', 'b']) await putDerivedService(world.log, { ...WEB, name });
    await world.projector.processAll();
    const { body } = await ask<List<ServiceSummary>>(api, '/v1/services?limit=1');
    for (const query of [`next=${body.next}&cluster=c1`, `next=${body.next}&revision=1`, 'next=bm9uc2Vuc2U']) {
      const refused = await ask<Problem>(api, `/v1/services?${query}`);
      expect([query, refused.status, refused.body.code]).toEqual([query, 400, 'invalid']);
    }
  });
});

describe('the past', () => {
  test('any answer can be had as of an earlier revision', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const first = await putDerivedService(world.log, WEB, '10.244.1.5');
    await world.projector.processAll();
    await putDerivedService(world.log, WEB, '10.244.1.6');
    await world.projector.processAll();
    await remove(world.log, 'c1', aService('web'));
    const gone = await remove(world.log, 'c1', { ...aService('web'), kind: 'Service' });
    for (const layer of ['proxy', 'dns', 'lb'] as const) await withdraw(world.log, layer, WEB);
    await watermark(world.log, gone);
    await world.projector.processAll();

    expect((await ask(api, WEB_PATH)).status).toBe(404);
    const past = await ask<ServiceDetail>(api, `${WEB_PATH}?revision=${first}`);
    expect(past.body.plan?.document?.ports[0]?.endpoints[0]?.address).toBe('10.244.1.5');
    expect((await ask<List<unknown>>(api, '/v1/registrations')).body.items).toHaveLength(0);
    expect((await ask<List<unknown>>(api, `/v1/registrations?revision=${first}`)).body.items).toHaveLength(1);
    const zone = await ask(api, `/v1/clusters/c1/zones/cluster.local?revision=${first}&format=text`);
    expect(zone.text).toContain('web.shop.svc.cluster.local.');
  });

  test('the future is refused, and so is what is no longer kept', async () => {
    await using world = await openWorld({ historyRetention: { maxRevisions: 2 } });
    using api = openApi(world);
    for (let i = 0; i < 300; i += 1) await putDerivedService(world.log, { ...WEB, name: `s${i % 3}` });
    await world.projector.processAll();
    const future = await ask<Problem>(api, '/v1/services?revision=999999');
    expect([future.status, future.body.code]).toEqual([400, 'invalid']);
    const past = () => ask<Problem>(api, '/v1/services?revision=3');
    // History goes in steps of its own, after the state it is the history of.
    await expect.poll(past, { timeout: 10_000 }).toMatchObject({ status: 410, body: { code: 'expired' } });
    expect((await ask(api, '/v1/revisions/3')).status).toBe(410);
  });
});

describe('node agents', () => {
  test('say how far their nodes have come, and why one goes no further', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    for (const name of ['node-1', 'node-2', 'node-3']) await put(world.log, 'c1', aNode(name));
    const revision = await putDerivedService(world.log, WEB);
    await acknowledge(world.log, { node: 'node-1', revision });
    await acknowledge(world.log, { node: 'node-2', revision: revision - 2, error: 'nft: busy', skippedServices: 1 });
    await world.projector.processAll();
    const { body } = await ask<List<Node>>(api, '/v1/clusters/c1/nodes');
    expect(body.items.map(({ name, agent }) => [name, agent])).toEqual([
      ['node-1', { ...UP_TO_DATE, revision }],
      ['node-2', { ...UP_TO_DATE, revision: revision - 2, lag: 2, error: 'nft: busy', skippedServices: 1 }],
      ['node-3', null],
    ]);
    expect((await ask<Node>(api, '/v1/clusters/c1/nodes/node-2')).body).toEqual(body.items[1]);
  });

  test('that cannot be read are left out, and statuses that others wrote are none', async () => {
    await using world = await openWorld();
    await world.log.append('status', { subject: 'status.ack.proxy.c1.node-1', data: '{"revision":-1}' });
    await world.log.append('status', { subject: 'status.other.c1.node-1', data: '{}' });
    await world.projector.processAll();
    expect(world.projector.stats().dropped).toBe(1);
  });

  test.for([
    ['/v1/clusters/c1/nodes/nobody', 404],
    ['/v1/clusters/nowhere/nodes/node-1', 404],
    ['/v1/clusters/nowhere/nodes', 404],
  ] as const)('%s is answered with %i', async ([path, status]) => {
    await using world = await openWorld();
    using api = openApi(world);
    await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    expect((await ask<Problem>(api, path)).status).toBe(status);
  });
});

const UP_TO_DATE = {
  backend: 'nftables',
  appliedAt: '2026-03-01T08:00:00.000Z',
  lag: 0,
  error: '',
  skippedServices: 0,
};

describe('nodes and rules', () => {
  test('the rules of a node are text, or JSON when asked for', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    await put(world.log, 'c1', aNode('node-1'));
    const revision = await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    const nodes = await ask<List<Node>>(api, '/v1/nodes');
    expect(nodes.body.items).toMatchObject([{ name: 'node-1', zone: 'zone-a', isReady: true, isSchedulable: true }]);
    const path = '/v1/clusters/c1/nodes/node-1/rules';
    const text = await ask(api, `${path}?backend=nftables&family=ipv4&clusterCIDR=10.244.0.0/16`);
    expect(text.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text.headers.get('x-signalbox-revision')).toBe(String(revision));
    expect(text.text).toContain('10.96.0.20');
    const json = await ask<NodeRules>(api, path, { accept: 'application/json' });
    expect(json.body).toMatchObject({ node: 'node-1', backend: 'nftables', family: 'both', revision });
    expect(json.body.text).toContain('10.244.1.5');
  });

  test.for([
    ['/v1/clusters/c1/nodes/nobody/rules', 404, 'not_found'],
    ['/v1/clusters/nowhere/nodes/node-1/rules', 404, 'not_found'],
    ['/v1/clusters/c1/nodes/node-1/rules?backend=pf', 400, 'invalid'],
    ['/v1/clusters/c1/nodes/node-1/rules?clusterCIDR=banana', 400, 'invalid'],
  ] as const)('%s is refused', async ([path, status, code]) => {
    await using world = await openWorld();
    using api = openApi(world);
    await put(world.log, 'c1', aNode('node-1'));
    await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    const refused = await ask<Problem>(api, path);
    expect([refused.status, refused.body.code]).toEqual([status, code]);
  });
});

describe('zones', () => {
  test('are listed, and shown as JSON or as a zone file', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const revision = await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    const zones = await ask<List<ZoneSummary>>(api, '/v1/zones');
    expect(zones.body.items).toMatchObject([{ cluster: 'c1', name: 'cluster.local.', serial: revision }]);
    const json = await ask<ZoneDetail>(api, '/v1/clusters/c1/zones/Cluster.Local');
    expect(json.body.records).toContainEqual(expect.objectContaining({ type: 'A', address: '10.96.0.20' }));
    expect(zones.body.items[0]?.records).toBe(json.body.records.length);
    const text = await ask(api, '/v1/clusters/c1/zones/cluster.local.', { accept: 'text/dns' });
    expect(text.headers.get('content-type')).toMatch(/^text\/dns/);
    expect(text.text).toMatch(/^web\.shop\.svc\.cluster\.local\.\t30\tIN\tA\t10\.96\.0\.20$/m);
    const other = await ask<Problem>(api, '/v1/clusters/c1/zones/example.org');
    expect([other.status, other.body.detail]).toEqual([404, expect.stringContaining('only cluster.local.')]);
  });
});

describe('registrations', () => {
  test('filter by class, and a page never passes its limit, even within one service', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const revision = await putDerivedService(world.log, WEB);
    const registrations = [aRegistration(WEB, 80), aRegistration(WEB, 443, 'f5'), aRegistration(WEB, 8443, 'f5')];
    await derive(world.log, 'lb', { key: WEB, revision, document: { ...WEB, registrations } });
    await putDerivedService(world.log, { ...WEB, name: 'xyz' });
    await world.projector.processAll();
    const f5 = await ask<List<RegistrationItem>>(api, '/v1/registrations?class=f5');
    expect(f5.body.items.map(({ port, service }) => [service, port])).toEqual([
      ['web', 443],
      ['web', 8443],
    ]);
    const ids: string[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const query: string = next === '' ? '' : `&next=${next}`;
      const { body } = await ask<List<RegistrationItem>>(api, `/v1/registrations?limit=2${query}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      ids.push(...body.items.map(({ id }) => id));
      next = body.next;
    }
    expect(ids).toEqual(['web:80', 'web:443', 'web:8443', 'xyz:80'].map((id) => `c1/shop/${id}/TCP`));
  });
});

describe('revisions', () => {
  test('are listed newest first, and tell how far each layer has come', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const derived = await putDerivedService(world.log, WEB);
    const revision = await put(world.log, 'c1', aService('api'));
    await watermark(world.log, revision, { layers: ['dns'] });
    await world.projector.processAll();
    const first = await ask<List<Revision>>(api, '/v1/revisions?limit=2');
    expect(first.body.items.map((item) => [item.revision, item.kind, item.name])).toEqual([
      [revision, 'Service', 'api'],
      [derived, 'EndpointSlice', 'web-1'],
    ]);
    const second = await ask<List<Revision>>(api, `/v1/revisions?limit=2&next=${first.body.next}`);
    expect(second.body).toMatchObject({ revision, items: [{ revision: 1 }], next: null });
    const one = await ask<RevisionDetail>(api, `/v1/revisions/${revision}`);
    expect(one.body.layers).toMatchObject([
      { layer: 'proxy', isDerived: false, revision: derived },
      { layer: 'dns', isDerived: true, revision },
      { layer: 'lb', isDerived: false, revision: derived },
    ]);
    expect((await ask(api, '/v1/revisions/99')).status).toBe(400);
  });
});

describe('errors and operation', () => {
  test.for([
    ['/v1/services?limit=0', 'limit'],
    ['/v1/services?limit=1001', 'limit'],
    ['/v1/services?revision=-1', 'revision'],
    ['/v1/services?cluster=a%20b', 'cluster'],
    [`/v1/services?namespace=${'x'.repeat(300)}`, 'namespace'],
    ['/v1/services?namspace=shop', 'namspace'],
    ['/v1/registrations?labelSelector=a', 'labelSelector'],
    ['/v1/changes?since=1', 'since'],
  ] as const)('%#: a wrong parameter is named', async ([path, parameter]) => {
    await using world = await openWorld();
    using api = openApi(world);
    const { status, body } = await ask<Problem>(api, path);
    expect([status, body.errors?.map((error) => error.parameter)]).toEqual([400, [parameter]]);
    expect(body).toMatchObject({ type: 'urn:signalbox:problem:invalid', status: 400, code: 'invalid' });
  });

  test('what is not there, not allowed or too long is a problem document too', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    expect(await ask(api, '/v2/services')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await ask(api, `/v1/services?namespace=${'x'.repeat(5_000)}`)).toMatchObject({ status: 400 });
    const posted = await api.app.request('/v1/services', { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const bad = await ask<Problem>(api, `/v1/services?labelSelector=${encodeURIComponent('a in b')}`);
    expect([bad.status, bad.body.detail]).toEqual([400, 'labelSelector: cannot read the requirement "a in b"']);
  });

  test('an error in the program is told without its text', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    world.store.sqlite.prepare(`update contents set data = '{secret'`).run();
    const { status, body } = await ask<Problem>(api, WEB_PATH);
    expect([status, body.code]).toEqual([500, 'internal']);
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  test('health, readiness and docs answer', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    expect((await ask(api, '/healthz')).body).toEqual({ status: 'ok' });
    await watermark(world.log, 0, { clusters: [] });
    await world.projector.processAll();
    const unknown = { status: 503, body: { isReady: false, missing: ['no cluster is known yet'] } };
    expect(await ask(api, '/readyz')).toMatchObject(unknown);
    await put(world.log, 'c1', aCluster('c1'));
    await putDerivedService(world.log, WEB);
    await world.projector.processAll();
    expect(await ask(api, '/readyz')).toMatchObject({ status: 200, body: { isReady: true, missing: [] } });
    const docs = await ask(api, '/docs');
    expect(docs.text).not.toMatch(/<script>|https?:\/\//);
    expect(docs.headers.get('content-security-policy')).toContain("script-src 'self'");
    for (const [, path] of docs.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect((await ask(api, path ?? '')).status).toBe(200);
    }
    expect(await ask(api, '/')).toMatchObject({ status: 302 });
  });
});
