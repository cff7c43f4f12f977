/** What /metrics tells of a watch: people are alerted by it when a cluster is not read any more. */
import type { SourceState } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type Registry } from '@signalbox/kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aService, aSlice } from '../../../test/harness/objects.ts';
import { ClusterPublisher } from './cluster-publisher.ts';

const HOUR_MS = 3_600_000;
const logger = createLogger({ component: 'test', level: 'silent' });
let registry: Registry;
let log: EventLog;
let publisher: ClusterPublisher;

beforeEach(async () => {
  registry = createRegistry();
  log = openSqliteEventLog({ path: ':memory:' });
  const source = { cluster: 'eu', domain: 'cluster.local', type: 'kubernetes' as const };
  publisher = new ClusterPublisher({ log, logger, registry }, source, { onStatus: () => {} });
  await publisher.load();
});
afterEach(() => log.close());

function report(state: SourceState, objects = 0, skipped = 0): void {
  const rest = { message: '', resourceVersion: '', sinceMs: 0 };
  publisher.report({ cluster: 'eu', kind: 'Service', state, objects, skipped, ...rest });
}

/** Of lines `name{labels} value` those that begin so, by what is after the name. */
async function metric(name: string): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`));
  return Object.fromEntries(
    lines.map((line) => [line.slice(name.length, line.indexOf(' ')), Number(line.split(' ')[1])]),
  );
}

test('a kind is current while it is watched, and each end of that is counted once', async () => {
  const service = '{cluster="eu",kind="Service"}';
  report('syncing');
  expect(await metric('signalbox_watch_current')).toEqual({ [service]: 0 });
  report('watching', 7, 1);
  expect(await metric('signalbox_watch_current')).toEqual({ [service]: 1 });
  expect(await metric('signalbox_watch_objects')).toEqual({ [service]: 7 });
  expect(await metric('signalbox_watch_skipped_objects')).toEqual({ [service]: 1 });
  expect(await metric('signalbox_watch_interruptions_total')).toEqual({ [service]: 0 });
  report('reconnecting', 7, 1);
  report('unreachable', 7, 1);
  expect(await metric('signalbox_watch_current')).toEqual({ [service]: 0 });
  expect(await metric('signalbox_watch_interruptions_total')).toEqual({ [service]: 1 });
  expect(await metric('signalbox_watch_active')).toEqual({ '{cluster="eu"}': 1 });
});

test('appended changes are counted by kind, equal content is not; the delay is of what was watched, not of lists', async () => {
  const listed = { resourceVersion: '', changedAtMs: Date.now() - HOUR_MS, object: aService('web') };
  await publisher.replace('Service', [listed]);
  await publisher.replace('Service', [listed]);
  const changedAtMs = Date.now() - 2_000;
  await publisher.apply([
    { type: 'upsert', resourceVersion: '', changedAtMs, object: aSlice('web', ['10.0.0.1']) },
    { type: 'delete', kind: 'Service', namespace: 'shop', name: 'web' },
  ]);
  expect(await metric('signalbox_watch_published_total')).toEqual({
    '{cluster="eu",kind="Service"}': 2,
    '{cluster="eu",kind="EndpointSlice"}': 1,
  });
  const slices = '{cluster="eu",kind="EndpointSlice"}';
  expect(await metric('signalbox_watch_publish_delay_seconds_count')).toEqual({ [slices]: 1 });
  expect((await metric('signalbox_watch_publish_delay_seconds_sum'))[slices]).toBeGreaterThanOrEqual(2);
});
