/** The API on what the real workers derive: objects in, rules, zones and registrations out. */
import type { List, NodeRules, RegistrationItem, ServiceDetail, ServiceKey, ZoneDetail } from '@signalbox/contracts';
import { dnsWorker } from '@signalbox/dns-worker';
import { createRegistry, startWorkers } from '@signalbox/kit';
import { lbWorker } from '@signalbox/lb-worker';
import { proxyWorker } from '@signalbox/proxy-worker';
import { stateRevision } from '@signalbox/store';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { aCluster, aNode, aService, aSlice, openWorld, put, quietLogger, remove, type World } from './world.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };

test('one change of the objects shows in rules, zone and registrations under its revision', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const workers = await startWorkers({ log: world.log, logger: quietLogger, registry: createRegistry() }, [
    proxyWorker,
    dnsWorker({ ttlSeconds: 30 }),
    lbWorker,
  ]);
  await put(world.log, 'c1', aNode('node-1'));
  await put(world.log, 'c1', aSlice('web-1', 'web'));
  const ports = [{ name: 'http', port: 80, nodePort: 30_080 }];
  const ingress = { ingress: [{ ip: '203.0.113.7' }] };
  const service = aService('web', { spec: { type: 'LoadBalancer', ports } });
  await put(world.log, 'c1', { ...service, status: { loadBalancer: ingress } });
  const first = await put(world.log, 'c1', aCluster('c1'));
  await derivedTo(world, first);

  const rules = await ask<NodeRules>(api, '/v1/clusters/c1/nodes/node-1/rules?format=json');
  expect(rules.body.revision).toBe(first);
  expect(rules.body.text).toContain('10.244.1.5');
  const registrations = await ask<List<RegistrationItem>>(api, '/v1/registrations');
  expect(registrations.body.items).toMatchObject([{ service: 'web', port: 80, addresses: ['203.0.113.7'] }]);
  expect((await ask(api, '/readyz')).body).toMatchObject({ isReady: true });

  const second = await put(world.log, 'c1', aSlice('web-1', 'web', { addresses: ['10.244.9.9'] }));
  await derivedTo(world, second);
  const now = await ask<ServiceDetail>(api, '/v1/clusters/c1/namespaces/shop/services/web');
  const past = await ask<ServiceDetail>(api, `/v1/clusters/c1/namespaces/shop/services/web?revision=${first}`);
  const addresses = ({ plan }: ServiceDetail) => plan?.document?.ports[0]?.endpoints.map(({ address }) => address);
  expect([addresses(now.body), addresses(past.body)]).toEqual([['10.244.9.9'], ['10.244.1.5']]);

  const third = await remove(world.log, WEB.cluster, service);
  await derivedTo(world, third);
  const zone = await ask<ZoneDetail>(api, '/v1/clusters/c1/zones/cluster.local');
  expect(JSON.stringify(zone.body.records)).not.toContain('web.shop');
  expect((await ask<List<unknown>>(api, '/v1/registrations')).body.items).toEqual([]);
  await workers.stop();
});

/** All layers have derived the revision, and the store shows it. */
async function derivedTo({ store, projector }: World, revision: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const isThere = (): boolean => (stateRevision(store).revision ?? -1) >= revision;
    const deadline = setTimeout(() => reject(new Error(`revision ${revision} was not derived`)), 10_000);
    const stop = projector.feed.onChanges(() => {
      if (!isThere()) return;
      clearTimeout(deadline);
      stop();
      resolve();
    });
    if (!isThere()) return;
    clearTimeout(deadline);
    stop();
    resolve();
  });
}
