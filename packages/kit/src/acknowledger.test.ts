import { type Ack, ackSubject } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { HeldBackLog } from '../../../test/harness/held-back-log.ts';
import { Acknowledger } from './acknowledger.ts';
import { createLogger } from './logger.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const APPLIED: Ack = {
  kind: 'node-agent',
  layer: 'proxy',
  cluster: 'shop',
  consumer: 'node-a',
  node: 'node-a',
  backend: 'nftables',
  revision: 1,
  appliedAtMs: 1,
  error: '',
  skippedServices: 0,
};

test('a failure is told at once, also when it comes while the word before it is on its way', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  const line = new HeldBackLog(log);
  let current = APPLIED;
  const acknowledger = new Acknowledger({ log: line.log, logger, intervalMs: 3_600_000, currentAck: () => current });
  const stopping = new AbortController();
  line.hold();
  const running = acknowledger.run(stopping.signal);
  await expect.poll(() => line.heldIn('status')).toBe(1);
  current = { ...APPLIED, error: 'nft: busy' };
  acknowledger.note();
  line.letGo();
  const told = async (): Promise<unknown> => JSON.parse((await log.last('status', ackSubject(APPLIED)))?.data ?? '{}');
  await expect.poll(told, { timeout: 5_000 }).toEqual(current);
  stopping.abort();
  await running;
  await log.close();
});
