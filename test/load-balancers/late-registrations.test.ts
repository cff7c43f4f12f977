/** A replica that takes over and reads the registrations from a server that is behind. */
import { TARGETS_WATERMARK_SUBJECT, type Watermark, watermarkSubject } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type Registry } from '@signalbox/kit';
import { type RunningTargetGroups, startTargetGroups } from '@signalbox/lb-worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { entry, Tail, waitFor } from '../harness/event-log-tail.ts';

const HEAD = 6;

let log: EventLog;
let targets: RunningTargetGroups;
let registry: Registry;
beforeEach(async () => {
  registry = createRegistry();
  log = openSqliteEventLog({ path: ':memory:' });
  for (let i = 1; i <= HEAD; i += 1) await log.append('objects', entry('a', i));
});
afterEach(async () => {
  await targets.stop();
  await log.close();
});

async function registrationsAt(revision: number): Promise<void> {
  const watermark: Watermark = { layer: 'lb', revision, clusters: {}, skippedServices: 0 };
  await log.append('derived', { subject: watermarkSubject('lb'), data: JSON.stringify(watermark) });
}

/** Everything in the log has been seen: what cannot be read is counted. */
async function registrationsSeen(): Promise<void> {
  await log.append('derived', { subject: watermarkSubject('lb'), data: '{}' });
  await waitFor('the registrations to be seen', async () => {
    const [metric] = (await registry.getMetricsAsJSON()).filter(({ name }) => name.includes('bad_messages'));
    return metric?.values.some(({ value }) => value > 0) ?? false;
  });
}

async function start(published: number): Promise<Tail> {
  await log.append('targets', { subject: TARGETS_WATERMARK_SUBJECT, data: JSON.stringify({ revision: published }) });
  const tail = await new Tail(log, { from: 'snapshot' }, 'targets').caughtUp();
  const logger = createLogger({ component: 'test', level: 'silent' });
  targets = await startTargetGroups({ log, logger, registry });
  return tail;
}

test('decides when it knows as much as the one before, and takes no revision back', async () => {
  await registrationsAt(3);
  const tail = await start(5);
  await registrationsSeen();
  expect(targets.revision).toBe(-1);
  await registrationsAt(6);
  await waitFor('revision 6 to be decided on', () => targets.revision === 6);
  await waitFor('it to be published', () => tail.messages.length === 2);
  expect(tail.messages.map(({ data }) => data)).toEqual(['{"revision":5}', '{"revision":6}']);
  await tail.stop();
});

test('goes back with a log that begins anew', async () => {
  await registrationsAt(3);
  const tail = await start(HEAD + 1);
  await waitFor('revision 3 to be decided on', () => targets.revision === 3);
  await tail.stop();
});
