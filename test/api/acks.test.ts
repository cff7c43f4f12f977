/** How far consumers of every kind have come, over HTTP. */
import type { ConsumerStatus, List, Node, Problem } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { acknowledge, acknowledgeDns, aNode, openWorld, put, putDerivedService } from './world.ts';

const WEB = { cluster: 'c1', namespace: 'shop', name: 'web' };
const APPLIED_AT = '2026-03-01T08:00:00.000Z';

test('what consumers have said is listed by layer, cluster and name, in pages', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const revision = await putDerivedService(world.log, WEB);
  await acknowledgeDns(world.log, { consumer: 'dns-2', revision: revision - 1, error: 'it is not synced' });
  await acknowledgeDns(world.log, { consumer: 'dns-1', revision });
  await acknowledgeDns(world.log, { consumer: 'dns-1', cluster: 'c2', revision: 0, appliedAtMs: null, error: 'no' });
  await acknowledge(world.log, { node: 'node-1', revision });
  await world.projector.processAll();
  const { body } = await ask<List<ConsumerStatus>>(api, '/v1/acks?layer=dns&cluster=c1');
  const whole = { layer: 'dns', cluster: 'c1', kind: 'dns-server', appliedAt: APPLIED_AT, skippedServices: 0 };
  expect(body.items).toEqual([
    { ...whole, consumer: 'dns-1', revision, lag: 0, error: '' },
    { ...whole, consumer: 'dns-2', revision: revision - 1, lag: 1, error: 'it is not synced' },
  ]);
  const first = await ask<List<ConsumerStatus>>(api, '/v1/acks?limit=3');
  const rest = await ask<List<ConsumerStatus>>(api, `/v1/acks?limit=3&next=${first.body.next}`);
  expect([first, rest].map((page) => page.body.items.map((one) => `${one.cluster}/${one.consumer}`))).toEqual([
    ['c1/dns-1', 'c1/dns-2', 'c2/dns-1'],
    ['c1/node-1'],
  ]);
  expect((await ask<Problem>(api, '/v1/acks?layer=nothing')).status).toBe(400);
});

test('a DNS server is no node agent, whatever its name', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  await put(world.log, 'c1', aNode('node-1'));
  const revision = await putDerivedService(world.log, WEB);
  await acknowledgeDns(world.log, { consumer: 'node-1', layer: 'proxy', revision });
  await world.projector.processAll();
  expect((await ask<Node>(api, '/v1/clusters/c1/nodes/node-1')).body.agent).toBeNull();
});
