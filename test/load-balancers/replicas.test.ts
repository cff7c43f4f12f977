/** Replicas of the load-balancer worker on one log: all derive, one decides, another takes over. */
import { Writable } from 'node:stream';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningService } from '@signalbox/kit';
import { startLbWorker } from '@signalbox/lb-worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { snapshot } from '../harness/derived.ts';
import { electingLog } from '../harness/electing-log.ts';
import { waitFor } from '../harness/event-log-tail.ts';
import { aCluster, upsertOf } from '../harness/objects.ts';
import { aBalancedService, CLUSTER, podsOf } from './lb-world.ts';

let log: EventLog;
let running: RunningService[];

beforeEach(() => {
  log = openSqliteEventLog({ path: ':memory:' });
  running = [];
});
afterEach(async () => {
  for (const each of running) await each.stop();
  await log.close();
});

/** `isDeciding` once it has said so. */
async function startReplica(of: EventLog = log) {
  let logged = '';
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      logged += chunk.toString();
      done();
    },
  });
  const logger = createLogger({ component: 'lb-worker', level: 'info', destination });
  const service = await startLbWorker({ log: of, logger, registry: createRegistry() }, { leaseMs: 1_000 });
  running.push(service);
  return { service, isDeciding: () => logged.includes('this is the active one') };
}

const put = (...objects: Parameters<typeof upsertOf>[1][]) =>
  log.appendAll(
    'objects',
    objects.map((object) => upsertOf(CLUSTER, object)),
  );

async function addressesIn(service: string): Promise<string[]> {
  const messages = await snapshot(log, 'targets');
  const own = messages.filter(({ subject }) => subject.endsWith(`.${service}`)).flatMap(({ data }) => data ?? []);
  return own.flatMap((data) => [...data.matchAll(/"address":"([\d.]+)"/g)].map((match) => match[1] ?? ''));
}

test('one decides, and when it is stopped the other does', async () => {
  const first = await startReplica();
  await waitFor('the first to decide', first.isDeciding);
  const second = await startReplica();
  await put(aCluster(CLUSTER), aBalancedService('web'), podsOf('web', ['10.0.0.1']));
  await waitFor('targets of web', async () => (await addressesIn('web')).includes('10.0.0.1'));
  expect(second.isDeciding()).toBe(false);
  await waitFor('both to be ready', () => [first, second].every(({ service }) => service.readiness().isReady));

  await first.service.stop();
  await waitFor('the second to decide', second.isDeciding);
  await put(aBalancedService('db'), podsOf('db', ['10.0.0.2']));
  await waitFor('targets of db', async () => (await addressesIn('db')).includes('10.0.0.2'));
  expect(await addressesIn('web')).toEqual(['10.0.0.1']);
});

test('one that begins to decide while the log has no leader begins again', async () => {
  const electing = electingLog(log, ['info']);
  await put(aCluster(CLUSTER), aBalancedService('web'), podsOf('web', ['10.0.0.1']));
  const { service } = await startReplica(electing.log);
  const decided = waitFor('targets of web', async () => (await addressesIn('web')).includes('10.0.0.1'));
  await Promise.race([decided, service.failure]);
  expect(electing.refused.has('info')).toBe(true);
});
