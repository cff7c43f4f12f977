import { type LogObject, loadBalancerPolicyObjectSchema, type ObjectMessage } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningService, startWorkers } from '@signalbox/kit';
import { proxyWorker } from '@signalbox/proxy-worker';
import { afterEach, expect, test } from 'vitest';
import { derivedState, snapshot } from '../../../test/harness/derived.ts';
import { waitFor } from '../../../test/harness/event-log-tail.ts';
import { aCluster, aService, tombstoneOf, upsertOf } from '../../../test/harness/objects.ts';
import { startAddressAllocator } from './address-allocator.ts';
import { lbWorker } from './index.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const opened: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  opened.push(() => log.close());
  return log;
}

function start(log: EventLog): { allocator: RunningService; registry: ReturnType<typeof createRegistry> } {
  const registry = createRegistry();
  const allocator = startAddressAllocator({ log, logger, registry });
  opened.push(() => allocator.stop());
  return { allocator, registry };
}

function policy(ranges: string[]): LogObject {
  const spec = { loadBalancerClass: '', addressPools: [{ name: 'main', ranges }] };
  return loadBalancerPolicyObjectSchema.parse({ kind: 'LoadBalancerPolicy', metadata: { name: 'p' }, spec });
}

const append = (log: EventLog, ...objects: LogObject[]) =>
  log.appendAll(
    'objects',
    objects.map((object) => upsertOf(object.kind === 'LoadBalancerPolicy' ? '' : 'eu', object)),
  );

const balanced = (name: string) =>
  aService(name, { type: 'LoadBalancer', clusterIPs: [`10.96.0.${name.charCodeAt(0)}`] });

async function addresses(log: EventLog): Promise<Record<string, string[]>> {
  const messages = (await snapshot(log, 'objects')).flatMap(({ data }) =>
    data === null ? [] : [JSON.parse(data) as ObjectMessage],
  );
  const found = messages.flatMap(({ object }) => (object.kind === 'LoadBalancerAddress' ? [object.spec] : []));
  return Object.fromEntries(found.map(({ service, ingress }) => [service.name, ingress.map(({ ip }) => ip ?? '')]));
}

const reach = (log: EventLog, wanted: Record<string, string[]>) =>
  waitFor(JSON.stringify(wanted), async () => JSON.stringify(await addresses(log)) === JSON.stringify(wanted));

test('Services get addresses once their class has a pool, and rules and registrations follow', async () => {
  const log = openLog();
  const { allocator, registry } = start(log);
  const workers = await startWorkers({ log, logger, registry: createRegistry() }, [proxyWorker, lbWorker]);
  opened.push(() => workers.stop());
  await append(log, aCluster('eu'), balanced('a'), balanced('b'));
  await append(log, policy(['192.0.2.0/31']));
  await reach(log, { a: ['192.0.2.0'], b: ['192.0.2.1'] });
  expect(allocator.readiness()).toEqual({ isReady: true, reason: '' });
  await workers.processAll();
  const { documents } = await derivedState(log);
  expect(JSON.stringify(documents['proxy eu/shop/a'])).toContain('192.0.2.0');
  expect(JSON.stringify(documents['lb eu/shop/b'])).toContain('192.0.2.1');
  expect(await registry.metrics()).toContain('signalbox_address_pool_used{pool="main"} 2');
});

test('after a restart every Service has the address that it had, and a new one gets another', async () => {
  const log = openLog();
  const first = start(log);
  await append(log, aCluster('eu'), policy(['192.0.2.0/29']), balanced('b'));
  await reach(log, { b: ['192.0.2.0'] });
  await first.allocator.stop();
  await append(log, balanced('a'));
  start(log);
  await reach(log, { b: ['192.0.2.0'], a: ['192.0.2.1'] });
});

test('what a Service had is free when it is deleted, also while nobody allocates', async () => {
  const log = openLog();
  const { allocator } = start(log);
  await append(log, aCluster('eu'), policy(['192.0.2.7']), balanced('a'), balanced('b'));
  await reach(log, { a: ['192.0.2.7'], b: [] });
  await allocator.stop();
  await log.append('objects', tombstoneOf('eu', balanced('a')));
  start(log);
  await reach(log, { b: ['192.0.2.7'] });
});

test('two allocators at once end in one plan, and neither overwrites the other', async () => {
  const log = openLog();
  start(log);
  start(log);
  const names = ['a', 'b', 'c', 'd', 'e'];
  await append(log, aCluster('eu'), policy(['192.0.2.0/24']));
  for (const name of names) await append(log, balanced(name));
  await waitFor('five addresses', async () => Object.values(await addresses(log)).flat().length === names.length);
  expect(new Set(Object.values(await addresses(log)).flat()).size).toBe(names.length);
});
