import { type DriftReport, driftReportSchema, parseDriftSubject } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import { createLogger } from '@signalbox/kit';
import { expect, test } from 'vitest';
import { DriftPublisher } from './drift-publisher.ts';

const logger = createLogger({ component: 'test', level: 'silent' });

function aReport(parts: Partial<DriftReport> = {}): DriftReport {
  return {
    cluster: 'shop.eu',
    node: 'node-a.example',
    backend: 'nftables',
    owner: 'signalbox',
    revision: 1,
    checkedAtMs: 1_000,
    differences: [],
    totals: { added: 0, missing: 0, changed: 0 },
    unreadable: 0,
    repaired: false,
    error: '',
    ...parts,
  };
}

test('another finding is told at once, an equal one now and then', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  const publisher = new DriftPublisher({ log, logger, repeatMs: 60_000 });
  const told = async (): Promise<number> => (await log.info('status')).lastSequence;
  await publisher.publish(aReport());
  await publisher.publish(aReport({ checkedAtMs: 30_000, revision: 5 }));
  expect(await told()).toBe(1);
  await publisher.publish(aReport({ checkedAtMs: 31_000, error: 'nft: not installed' }));
  expect(await told()).toBe(2);
  await publisher.publish(aReport({ checkedAtMs: 91_000, error: 'nft: not installed' }));
  expect(await told()).toBe(3);
  await log.close();
});

test('a log that is away loses a report, and not the agent', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  await log.close();
  await new DriftPublisher({ log, logger }).publish(aReport());
});

test('a report names its node in its subject, whatever the names hold', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  await new DriftPublisher({ log, logger }).publish(aReport());
  const { value } = await log.follow('status', { from: 'snapshot' })[Symbol.asyncIterator]().next();
  const [message] = value?.messages ?? [];
  expect(parseDriftSubject(message?.subject ?? '')).toEqual({ cluster: 'shop.eu', node: 'node-a.example' });
  expect(driftReportSchema.parse(JSON.parse(message?.data ?? ''))).toEqual(aReport());
  await log.close();
});
