import { TARGETS_WATERMARK_SUBJECT, targetGroupSetSubject } from '@signalbox/contracts';
import { type EventLog, type LogMessage, openSqliteEventLog } from '@signalbox/event-log';
import { afterEach, describe, expect, test } from 'vitest';
import { HeldBackLog } from '../../../../test/harness/held-back-log.ts';
import { FencedPublisher } from './fenced-publisher.ts';
import { LEAD } from './group-state.ts';

const opened: EventLog[] = [];
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
});

const subjectOf = (name: string): string =>
  targetGroupSetSubject({ loadBalancerClass: '', cluster: 'eu', namespace: 'shop', name });
const [KNOWN, NEW] = [subjectOf('known'), subjectOf('new')];

/** As the load-balancer worker does: all target groups are one share. */
function publisherOn(log: EventLog): FencedPublisher {
  return new FencedPublisher({ log, stream: 'targets', partitionOf: () => LEAD, isValid: () => true });
}

async function readAll(log: EventLog): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for await (const batch of log.follow('targets', { from: 'snapshot' })) {
    messages.push(...batch.messages);
    if (batch.isCaughtUp) break;
  }
  return messages;
}

describe('target groups of a decider that was paused', () => {
  async function paused() {
    const log = openSqliteEventLog({ path: ':memory:' });
    opened.push(log);
    await log.append('targets', { subject: KNOWN, data: '"before"' });
    const line = new HeldBackLog(log);
    const old = publisherOn(line.log);
    await old.hold([LEAD], { dirty: new Set(), read: () => readAll(log) });
    line.hold();
    return { log, line, old };
  }

  async function takeOver(log: EventLog): Promise<FencedPublisher> {
    const next = publisherOn(log);
    await next.hold([LEAD], { dirty: new Set([LEAD]), read: () => readAll(log) });
    return next;
  }

  const valuesOf = async (log: EventLog): Promise<Record<string, string | null>> =>
    Object.fromEntries((await readAll(log)).map(({ subject, data }) => [subject, data]));

  test('change nothing when another one has taken over, even where that one had nothing to write', async () => {
    const { log, line, old } = await paused();
    const late = old.publish([{ subject: KNOWN, data: '"late"' }]);
    await takeOver(log);
    line.letGo();
    await expect(late).rejects.toMatchObject({ code: 'conflict' });
    expect(await valuesOf(log)).toEqual({ [KNOWN]: '"before"' });
  });

  test('appear nowhere as new ones, and keep nobody from writing there', async () => {
    const { log, line, old } = await paused();
    const late = old.publish([{ subject: NEW, data: '"late"' }]);
    const next = await takeOver(log);
    await next.publish([{ subject: NEW, data: '"next"' }]);
    line.letGo();
    await expect(late).rejects.toMatchObject({ code: 'conflict' });
    await next.publish([{ subject: TARGETS_WATERMARK_SUBJECT, data: '{"revision":1}' }]);
    expect(await valuesOf(log)).toMatchObject({ [KNOWN]: '"before"', [NEW]: '"next"' });
  });
});
