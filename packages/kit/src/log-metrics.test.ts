import { openSqliteEventLog } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { measureLog } from './log-metrics.ts';
import { createRegistry } from './metrics.ts';

test('a log is connected until it is closed, and its lost consumers are counted as it counts them', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  const registry = createRegistry();
  let lostConsumers = 3;
  const counting = new Proxy(log, {
    get: (target, name) => (name === 'lostConsumers' ? lostConsumers : (Reflect.get(target, name, target) as unknown)),
  });
  measureLog(counting, registry);
  const values = async () => (await registry.metrics()).match(/^signalbox_log_.*/gm);
  expect(await values()).toEqual(['signalbox_log_connected 1', 'signalbox_log_lost_consumers_total 3']);
  lostConsumers = 4;
  await log.close();
  expect(await values()).toEqual(['signalbox_log_connected 0', 'signalbox_log_lost_consumers_total 4']);
});
