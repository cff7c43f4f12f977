import type { PodEnv, PodResolution, PodResolvConf, Problem } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { aCluster, aService, openWorld, put, putDerivedService, watermark } from './world.ts';

const SHOP = '/v1/clusters/c1/namespaces/shop';
const WEB = { cluster: 'c1', namespace: 'shop', name: 'web' };

async function openShop() {
  const world = await openWorld();
  await put(world.log, 'c1', aCluster('c1'));
  const dns = aService('kube-dns', { namespace: 'kube-system', spec: { clusterIPs: ['10.96.0.10'] } });
  await put(world.log, 'c1', dns);
  await put(world.log, 'c1', aService('kubernetes', { namespace: 'default', spec: { clusterIPs: ['10.96.0.1'] } }));
  const revision = await putDerivedService(world.log, WEB);
  await world.projector.processAll();
  return { world, revision };
}

test('the environment of a pod, as text and as JSON, at a revision', async () => {
  const { world, revision } = await openShop();
  await using _ = world;
  using api = openApi(world);
  const { text, headers } = await ask(api, `${SHOP}/env`);
  expect(text.split('\n').filter((line) => line.includes('SERVICE_HOST'))).toEqual([
    'KUBERNETES_SERVICE_HOST=10.96.0.1',
    'WEB_SERVICE_HOST=10.96.0.20',
  ]);
  expect(headers.get('x-signalbox-revision')).toBe(String(revision));
  const { body } = await ask<PodEnv>(api, `${SHOP}/env?enableServiceLinks=false&format=json`);
  expect(body.variables[0]).toEqual({
    name: 'KUBERNETES_SERVICE_HOST',
    value: '10.96.0.1',
    service: 'default/kubernetes',
  });
  expect(body.variables.some(({ service }) => service === 'shop/web')).toBe(false);
});

test("a pod's resolv.conf names the cluster's own DNS Service", async () => {
  const { world } = await openShop();
  await using _ = world;
  using api = openApi(world);
  const { text } = await ask(api, `${SHOP}/resolv-conf`);
  expect(text).toBe(
    'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
  );
  const more = 'nameservers=1.1.1.1,1.1.1.2,1.1.1.3&searches=a.example&options=ndots:2&format=json';
  const { body } = await ask<PodResolvConf>(api, `${SHOP}/resolv-conf?${more}`);
  expect(body).toMatchObject({ nameservers: ['10.96.0.10', '1.1.1.1', '1.1.1.2'], options: ['ndots:2'] });
  expect(body.skipped).toEqual([{ path: 'nameserver 1.1.1.3', reason: 'more than 3 nameservers' }]);
  const node = encodeURIComponent('nameserver 192.0.2.53\nsearch lan');
  const byNode = await ask(api, `${SHOP}/resolv-conf?policy=Default&nodeResolvConf=${node}`);
  expect(byNode.text).toBe('search lan\nnameserver 192.0.2.53\n');
});

test('resolving tells each step, and the object and revision behind each record', async () => {
  const { world, revision } = await openShop();
  await using _ = world;
  using api = openApi(world);
  const { body } = await ask<PodResolution>(api, `${SHOP}/resolve?name=web.shop`);
  expect(body.steps.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
    'web.shop.shop.svc.cluster.local. no-such-name',
    'web.shop.svc.cluster.local. answer',
  ]);
  expect(body.steps[1]?.records).toMatchObject([
    { record: { type: 'A', address: '10.96.0.20' }, origins: [{ ...WEB, revision }] },
  ]);
  const outside = await ask<PodResolution>(api, `${SHOP}/resolve?name=example.com.&type=aaaa`);
  expect(outside.body).toMatchObject({ isFound: false, type: 'AAAA', steps: [{ outcome: 'not-served' }] });
  const zone = await ask<PodResolution>(api, `${SHOP}/resolve?name=cluster.local.&type=NS`);
  expect(zone.body.steps[0]?.records[0]?.origins).toEqual([null]);
  expect(zone.body.steps[0]?.records).toHaveLength(1);
});

test('the answer is of the newest revision each time', async () => {
  const { world } = await openShop();
  await using _ = world;
  using api = openApi(world);
  const before = await ask<PodResolution>(api, `${SHOP}/resolve?name=web`);
  const revision = await put(world.log, 'c1', aService('api'));
  await watermark(world.log, revision);
  await world.projector.processAll();
  const after = await ask<PodResolution>(api, `${SHOP}/resolve?name=web`);
  expect([after.body.revision > before.body.revision, after.body.isFound]).toEqual([true, true]);
});

test.for<[path: string, status: number, detail: string]>([
  [`${SHOP}/resolv-conf?policy=None`, 400, 'with the policy None'],
  [`${SHOP}/resolv-conf?searches=a%0Anameserver%206.6.6.6`, 400, 'not a lower-case domain name'],
  [`${SHOP}/resolve?name=web&type=BOGUS`, 400, 'type'],
  ['/v1/clusters/nowhere/namespaces/shop/env', 404, 'no cluster called nowhere'],
])('%s is a problem', async ([path, status, detail]) => {
  const { world } = await openShop();
  await using _ = world;
  using api = openApi(world);
  const answer = await ask<Problem>(api, path);
  expect(answer.status).toBe(status);
  expect(answer.body.detail).toContain(detail);
});
