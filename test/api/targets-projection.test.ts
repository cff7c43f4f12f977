/** Target groups, reports and leases: from the log into the store, and told as changes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controllerLeaseSubject } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import {
  type Change,
  controllerLease,
  listTargetGroupSets,
  loadBalancerClasses,
  type Store,
  targetGroupReport,
  targetGroupSet,
  targetsIndex,
  targetsRevision,
} from '@signalbox/store';
import { expect, test } from 'vitest';
import { decided, holdLease, putTargets, removeTargets, sayOfGroup, WEB } from './target-world.ts';
import { openWorld } from './world.ts';

const API = { ...WEB, name: 'api' };
const F5 = 'example.com/f5';

const summary = (store: Store, loadBalancerClass?: string) =>
  listTargetGroupSets(store, { loadBalancerClass }).map(
    ({ index, set }) => `${index} ${set.name} ${(set.groups[0]?.targets ?? []).map(({ address }) => address).join()}`,
  );

function brief({ event, data }: Change): string {
  const { operation, name, index, holder, error, revision } = JSON.parse(data) as Record<
    string,
    string | number | undefined
  >;
  return [event, operation, name, index, holder, error, revision].filter((part) => part !== undefined).join(' ');
}

test('the last set of each Service and class is kept, and the index of a class is that of its last change', async () => {
  await using world = await openWorld();
  await putTargets(world.log, WEB, ['10.0.0.1']);
  const index = await putTargets(world.log, WEB, ['10.0.0.2']);
  const f5 = await putTargets(world.log, API, ['10.0.0.3'], { loadBalancerClass: F5 });
  await decided(world.log, 9);
  await world.projector.processAll();
  expect([summary(world.store, ''), summary(world.store, F5)]).toEqual([
    [`${index} web 10.0.0.2`],
    [`${f5} api 10.0.0.3`],
  ]);
  expect(targetsRevision(world.store)).toBe(9);
  const gone = await removeTargets(world.log, WEB);
  await world.projector.processAll();
  expect(summary(world.store)).toEqual([`${f5} api 10.0.0.3`]);
  expect(targetGroupSet(world.store, { ...WEB, loadBalancerClass: '' })).toBeUndefined();
  expect([targetsIndex(world.store, ''), targetsIndex(world.store, F5), targetsIndex(world.store)]).toEqual([
    gone,
    f5,
    gone,
  ]);
});

test('what followers are told: what is new, and no renewal', async () => {
  await using world = await openWorld();
  const position = world.projector.feed.latestId();
  const steps = [
    () => putTargets(world.log, WEB, ['10.0.0.1']),
    () => putTargets(world.log, WEB, []),
    () => removeTargets(world.log, WEB),
    () => decided(world.log, 3),
    () => holdLease(world.log, { epoch: 1 }),
    () => holdLease(world.log, { epoch: 1, renewedAtMs: Date.now() }),
    () => sayOfGroup(world.log, WEB, { error: 'no memory' }),
    () => sayOfGroup(world.log, WEB, { error: 'no memory', reportedAtMs: Date.now() }),
    () => holdLease(world.log, { holder: 'other', epoch: 2 }),
  ];
  for (const step of steps) {
    await step();
    await world.projector.processAll();
  }
  expect(world.projector.feed.after(position, 100)?.map(brief)).toEqual([
    'target-groups created web 1',
    'target-groups updated web 2',
    'target-groups deleted web 3',
    'targets-watermark 3',
    'lease haproxy-1',
    'report web 1 no memory',
    'lease other',
  ]);
  expect(targetGroupReport(world.store, { ...WEB, loadBalancerClass: '', port: '80/TCP' })?.error).toBe('no memory');
  expect(controllerLease(world.store, '')).toMatchObject({ holder: 'other', epoch: 2 });
});

test('a store that was away while the log was compacted ends in its state, and indexes never go back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-targets-'));
  const log = openSqliteEventLog({ path: ':memory:' });
  const path = join(folder, 'store.db');
  const world = await openWorld({ log, path });
  await putTargets(log, WEB, ['10.0.0.1']);
  await putTargets(log, API, ['10.0.0.2']);
  await holdLease(log, {}, F5);
  await world.projector.processAll();
  await world[Symbol.asyncDispose]();
  await removeTargets(log, WEB);
  await log.append('status', { subject: controllerLeaseSubject(F5), data: null });
  const end = await decided(log, 1);
  for (const stream of ['targets', 'status'] as const)
    await log.compact(stream, { storedBeforeMs: Date.now() + 60_000 });
  const again = await openWorld({ log, path });
  expect(summary(again.store)).toEqual(['2 api 10.0.0.2']);
  expect([targetsIndex(again.store, ''), controllerLease(again.store, F5)]).toEqual([end, undefined]);
  await again[Symbol.asyncDispose]();
  await log.close();
  rmSync(folder, { recursive: true });
});

test('a class that has only a lease is known too', async () => {
  await using world = await openWorld();
  await holdLease(world.log, {}, F5);
  await putTargets(world.log, WEB, []);
  await world.projector.processAll();
  expect(loadBalancerClasses(world.store)).toEqual([
    { loadBalancerClass: '', index: 1 },
    { loadBalancerClass: F5, index: 0 },
  ]);
});
