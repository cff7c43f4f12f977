/** How far a revision has come, over HTTP: derived by layers, applied by their consumers. */

import {
  ackSubject,
  type Convergence,
  type LayerProgress,
  type LbDriverAck,
  MAX_CONSUMERS_BEHIND,
  type RevisionDetail,
} from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { revisionAfterAtMs } from '@signalbox/store';
import { describe, expect, test } from 'vitest';
import { describeConsumers } from '../../services/api/src/convergence.ts';
import { registerMetrics } from '../../services/api/src/metrics.ts';
import { ask, openApi } from './ask.ts';
import { decided, holdLease, putTargets, sayOfGroup, WEB } from './target-world.ts';
import {
  aCluster,
  acknowledge,
  acknowledgeDns,
  aNode,
  openWorld,
  put,
  putDerivedService,
  remove,
  type World,
  watermark,
} from './world.ts';

const APPLIED_AT = '2026-03-01T08:00:00.000Z';
const NOBODY = { total: 0, applied: 0, lagging: 0, failing: 0 };

async function progressOf(world: World, query = ''): Promise<Record<string, LayerProgress>> {
  await world.projector.processAll();
  using api = openApi(world);
  const { status, body } = await ask<Convergence>(api, `/v1/convergence${query}`);
  expect(status).toBe(200);
  return Object.fromEntries(body.layers.map((progress) => [progress.layer, progress]));
}

async function acknowledgeDriver(log: EventLog, ack: Partial<LbDriverAck> & { consumer: string; revision: number }) {
  const whole: LbDriverAck = {
    kind: 'lb-driver',
    layer: 'lb',
    cluster: 'c1',
    loadBalancerClass: '',
    appliedAtMs: 1_772_352_000_000,
    error: '',
    skippedServices: 0,
    ...ack,
  };
  await log.append('status', { subject: ackSubject(whole), data: JSON.stringify(whole) });
}

describe('a revision', () => {
  test('that all have applied has converged, and one that nobody applies, once it is derived', async () => {
    await using world = await openWorld();
    using api = openApi(world);
    const revision = await putDerivedService(world.log, WEB);
    await acknowledge(world.log, { node: 'node-1', revision });
    await acknowledge(world.log, { node: 'node-2', revision });
    await world.projector.processAll();
    const { body } = await ask<RevisionDetail>(api, `/v1/revisions/${revision}`);
    const whole = { isDerived: true, isConverged: true, revision, convergedRevision: revision, behind: [] };
    const two = { total: 2, applied: 2, lagging: 0, failing: 0 };
    expect(body.layers).toEqual([
      { layer: 'proxy', ...whole, consumers: two, skippedServices: 0 },
      { layer: 'dns', ...whole, consumers: NOBODY, skippedServices: 0 },
      { layer: 'lb', ...whole, consumers: NOBODY, skippedServices: 0 },
    ]);
  });

  test('names who lags and who fails, and by how much; the failing first', async () => {
    await using world = await openWorld();
    const revision = await putDerivedService(world.log, WEB);
    await acknowledge(world.log, { node: 'node-1', revision });
    await acknowledge(world.log, { node: 'node-2', revision: 0, appliedAtMs: null });
    await acknowledge(world.log, { node: 'node-3', revision: revision - 1, error: 'nft: busy' });
    await acknowledge(world.log, { node: 'node-4', revision: revision - 1, cluster: 'c2' });
    const { proxy, dns } = await progressOf(world, `?revision=${revision}`);
    expect(proxy).toMatchObject({
      isDerived: true,
      isConverged: false,
      convergedRevision: 0,
      consumers: { total: 4, applied: 1, lagging: 2, failing: 1 },
    });
    const agent = { cluster: 'c1', kind: 'node-agent', appliedAt: APPLIED_AT, error: '' };
    expect(proxy?.behind).toEqual([
      { ...agent, consumer: 'node-3', revision: revision - 1, behindBy: 1, error: 'nft: busy' },
      { ...agent, consumer: 'node-2', revision: 0, behindBy: revision, appliedAt: null },
      { ...agent, consumer: 'node-4', revision: revision - 1, behindBy: 1, cluster: 'c2' },
    ]);
    expect(dns?.isConverged).toBe(true);
    const before = await progressOf(world, `?revision=${revision - 1}&cluster=c1`);
    expect(before.proxy?.consumers).toEqual({ total: 3, applied: 2, lagging: 1, failing: 0 });
  });

  test('that a layer has not derived has not converged, whatever its consumers say', async () => {
    await using world = await openWorld();
    const derived = await putDerivedService(world.log, WEB);
    const revision = await put(world.log, 'c1', aNode('node-1'));
    await watermark(world.log, revision, { layers: ['proxy', 'lb'] });
    await acknowledgeDns(world.log, { consumer: 'dns-1', revision: derived });
    const { dns, lb } = await progressOf(world, `?revision=${revision}`);
    expect(dns).toMatchObject({ isDerived: false, isConverged: false, revision: derived, convergedRevision: derived });
    expect(lb).toMatchObject({ isDerived: true, isConverged: true });
    const own = await progressOf(world);
    expect(own.dns).toMatchObject({ isDerived: true, isConverged: true, consumers: { total: 1, applied: 1 } });
    expect((await progressOf(world, '?revision=9999')).proxy).toMatchObject({ isDerived: false, isConverged: false });
  });

  test('counts all who are behind, and lists a hundred', async () => {
    await using world = await openWorld();
    const revision = await putDerivedService(world.log, WEB);
    for (let node = 0; node < MAX_CONSUMERS_BEHIND + 5; node++) {
      await acknowledge(world.log, { node: `node-${node}`, revision: revision - 1 });
    }
    const { proxy } = await progressOf(world, `?revision=${revision}`);
    expect(proxy?.consumers.lagging).toBe(MAX_CONSUMERS_BEHIND + 5);
    expect(proxy?.behind).toHaveLength(MAX_CONSUMERS_BEHIND);
  });

  test('does not wait for nodes that were taken away, but for agents where no node is known', async () => {
    await using world = await openWorld();
    const node = aNode('node-1');
    await put(world.log, 'c1', node);
    await put(world.log, 'c1', aNode('node-2'));
    const revision = await putDerivedService(world.log, WEB);
    await acknowledge(world.log, { node: 'node-1', revision: 1 });
    await acknowledge(world.log, { node: 'node-2', revision });
    await acknowledge(world.log, { node: 'node-1', revision: 1, cluster: 'c2' });
    expect((await progressOf(world)).proxy?.consumers).toEqual({ total: 3, applied: 1, lagging: 2, failing: 0 });
    await remove(world.log, 'c1', node);
    const { proxy } = await progressOf(world, `?revision=${revision}`);
    expect(proxy?.behind.map(({ cluster, consumer }) => `${cluster}/${consumer}`)).toEqual(['c2/node-1']);
  });
});

describe('of one cluster', () => {
  test('only its consumers count, and the layers must derive it', async () => {
    await using world = await openWorld();
    const revision = await putDerivedService(world.log, WEB);
    await put(world.log, 'c3', aCluster('c3'));
    await acknowledgeDns(world.log, { consumer: 'dns-1', revision });
    await acknowledgeDns(world.log, { consumer: 'dns-1', cluster: 'c3', revision: 0, error: 'it is not synced' });
    const { dns } = await progressOf(world, `?revision=${revision}&cluster=c1`);
    expect(dns).toMatchObject({ isConverged: true, consumers: { total: 1, applied: 1 } });
    const unsynced = await progressOf(world, `?revision=${revision}&cluster=c3`);
    expect(unsynced.dns).toMatchObject({ isDerived: false, isConverged: false, consumers: { total: 1, failing: 1 } });
    using api = openApi(world);
    expect((await ask(api, '/v1/convergence?cluster=nowhere')).status).toBe(404);
  });
});

describe('load balancers', () => {
  test('by their drivers; what one left behind when another took over does not count', async () => {
    await using world = await openWorld();
    const revision = await putDerivedService(world.log, WEB);
    await putTargets(world.log, WEB, ['10.0.0.1'], { revision });
    await decided(world.log, revision);
    await acknowledgeDriver(world.log, { consumer: 'haproxy-1', revision: revision - 1, error: 'refused' });
    await acknowledgeDriver(world.log, { consumer: 'haproxy-2', revision });
    expect((await progressOf(world)).lb?.consumers).toEqual({ total: 2, applied: 1, lagging: 0, failing: 1 });
    await holdLease(world.log, { holder: 'haproxy-2' });
    const { lb } = await progressOf(world, `?revision=${revision}`);
    expect(lb).toMatchObject({ isConverged: true, consumers: { total: 1, applied: 1 } });
  });

  test('by the reports of those who ask for target groups; of classes that nobody programs, not at all', async () => {
    await using world = await openWorld();
    const { log } = world;
    const revision = await putDerivedService(log, WEB);
    const index = await putTargets(log, WEB, ['10.0.0.1'], { revision: revision - 1 });
    await decided(log, revision);
    expect((await progressOf(world)).lb).toMatchObject({ isConverged: true, consumers: NOBODY });

    await holdLease(log, { holder: 'f5-a' });
    const silent = { kind: 'lb-controller', consumer: 'f5-a', cluster: 'c1', revision: 0, appliedAt: null, error: '' };
    expect((await progressOf(world)).lb?.behind).toEqual([{ ...silent, behindBy: revision }]);

    await sayOfGroup(log, WEB, { index, revision: revision - 1 });
    const reached = await progressOf(world, `?revision=${revision}`);
    expect(reached.lb).toMatchObject({ isConverged: true, convergedRevision: revision, consumers: { applied: 1 } });

    await putTargets(log, WEB, ['10.0.0.1', '10.0.0.2'], { revision: revision - 1 });
    const changed = await progressOf(world, `?revision=${revision}`);
    expect(changed.lb?.behind).toMatchObject([{ consumer: 'f5-a', revision: revision - 2, behindBy: 2, error: '' }]);

    await sayOfGroup(log, WEB, { index, revision: revision - 1, error: 'no such pool' });
    const failed = await progressOf(world, `?revision=${revision}`);
    expect(failed.lb?.consumers).toEqual({ total: 1, applied: 0, lagging: 0, failing: 1 });
    expect(failed.lb?.behind[0]?.error).toBe('c1/shop/web:80/TCP: no such pool');
  });
});

test('the metric counts consumers by layer and state, measured by what their layer has derived', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const { store, projector } = world;
  const registry = createRegistry();
  registerMetrics(registry, { ...api, store, projector });
  const revision = await putDerivedService(world.log, WEB);
  await acknowledge(world.log, { node: 'node-1', revision });
  await acknowledge(world.log, { node: 'node-2', revision: revision - 1 });
  await acknowledgeDns(world.log, { consumer: 'dns-1', revision: 0, appliedAtMs: null, error: 'it is not synced' });
  await world.projector.processAll();
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('signalbox_api_consumers{'));
  expect(lines.map((line) => line.replace('signalbox_api_consumers', ''))).toEqual([
    '{layer="proxy",state="applied"} 1',
    '{layer="proxy",state="lagging"} 1',
    '{layer="proxy",state="failing"} 0',
    '{layer="dns",state="applied"} 0',
    '{layer="dns",state="lagging"} 0',
    '{layer="dns",state="failing"} 1',
    '{layer="lb",state="applied"} 0',
    '{layer="lb",state="lagging"} 0',
    '{layer="lb",state="failing"} 0',
  ]);
});

test('staleness is the age of the oldest revision that a consumer has not applied', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const { log, store, projector } = world;
  const first = await putDerivedService(log, WEB);
  await acknowledge(log, { node: 'node-1', revision: first });
  await acknowledge(log, { node: 'node-2', revision: first - 1 });
  await acknowledgeDns(log, { consumer: 'dns-1', revision: first });
  const second = await put(log, 'c1', aNode('node-3'));
  await put(log, 'c1', aNode('node-1'));
  await watermark(log, second, { layers: ['dns'] });
  await projector.processAll();
  const storedAtMs = (revision: number): number => revisionAfterAtMs(store, revision - 1) ?? Number.NaN;
  const nowMs = storedAtMs(second) + 90_000;
  const ageOf = (revision: number): number => (nowMs - storedAtMs(revision)) / 1000;
  expect(describeConsumers(store, { nowMs, limit: 5 }).map(({ layer, stalest }) => [layer, stalest])).toEqual([
    // Not node-2: its cluster has nodes by now, and it is none of them.
    ['proxy', []],
    ['dns', [{ cluster: 'c1', consumer: 'dns-1', seconds: ageOf(second) }]],
    ['lb', []],
  ]);
  await put(log, 'c1', aNode('node-2'));
  await projector.processAll();
  expect(describeConsumers(store, { nowMs, limit: 5 })[0]?.stalest).toEqual([
    { cluster: 'c1', consumer: 'node-2', seconds: ageOf(first) },
  ]);
  const registry = createRegistry();
  registerMetrics(registry, { ...api, store, projector });
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => /^signalbox_api_(consumer_)?staleness/.test(line));
  expect(lines.map((line) => line.replace(/ \S+$/, ''))).toEqual([
    'signalbox_api_staleness_seconds{layer="proxy"}',
    'signalbox_api_staleness_seconds{layer="dns"}',
    'signalbox_api_staleness_seconds{layer="lb"}',
    'signalbox_api_consumer_staleness_seconds{layer="proxy",cluster="c1",consumer="node-2"}',
    'signalbox_api_consumer_staleness_seconds{layer="dns",cluster="c1",consumer="dns-1"}',
  ]);
  expect(lines[2]).toMatch(/ 0$/);
});
