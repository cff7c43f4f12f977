import { groupSubject, memberSubject, progressSubject } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { afterEach, expect, test, vi } from 'vitest';
import { HeldBackLog } from '../../../../test/harness/held-back-log.ts';
import { type HeldLog, holdableLog } from '../../../../test/harness/held-log.ts';
import { createLogger } from '../logger.ts';
import { Membership } from './membership.ts';

const GROUP = 'dns';
const LEASE_MS = 2000;
const POLL = { timeout: 15_000, interval: 10 };
const logger = createLogger({ component: 'test', level: 'silent' });
const opened: { leave?(): Promise<void>; close?(): Promise<void> }[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const each of opened.splice(0).reverse()) await (each.leave?.() ?? each.close?.());
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  opened.push(log);
  return log;
}

function member(log: EventLog, { leaseMs = LEASE_MS, onChange = () => {} } = {}): Membership {
  const membership = new Membership({ log, logger, group: GROUP, partitions: ['p1', 'p2'], leaseMs, onChange });
  opened.push(membership);
  return membership;
}

const heartbeatOf = async (log: EventLog, { id }: Membership): Promise<number> =>
  (await log.last('leases', memberSubject(GROUP, id)))?.sequence ?? 0;

test('a member whose heartbeats have not been heard yet is not taken for silent', async () => {
  const log = openLog();
  const deaf: HeldLog = holdableLog(log);
  deaf.hold();
  const other = member(log);
  await other.join();
  // It reads of the other one in the group before it hears of it.
  const newcomer = member(deaf, { leaseMs: 200 });
  opened.push({ close: async () => deaf.release() });
  await newcomer.join();
  const first = await heartbeatOf(log, newcomer);
  const renewals = async () => ((await heartbeatOf(log, newcomer)) > first ? newcomer.members : []);
  await expect.poll(renewals, POLL).toEqual([other.id, newcomer.id]);
  // Renewed once more: whoever was silent has been looked for by then.
  const second = await heartbeatOf(log, newcomer);
  await expect.poll(() => heartbeatOf(log, newcomer), POLL).toBeGreaterThan(second);
  expect(other.isValid).toBe(true);
  const { data } = (await log.last('leases', groupSubject(GROUP))) ?? {};
  expect(JSON.parse(data ?? '{}')).toMatchObject({ members: [other.id, newcomer.id] });
});

test('what came while a lease was over for a moment is told when it is renewed', async () => {
  const log = openLog();
  const slow = new HeldBackLog(log);
  const seen: number[] = [];
  const first: Membership = member(slow.log, { onChange: () => seen.push(first.slots.size) });
  const startMs = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now: startMs });
  await first.join();
  expect(seen.at(-1)).toBe(3);
  slow.hold();
  vi.setSystemTime(startMs + 0.3 * LEASE_MS);
  await expect.poll(() => slow.heldIn('leases'), POLL).toBe(1);
  // The lease is over; the one that is on its way is not.
  vi.setSystemTime(startMs + 1.1 * LEASE_MS);
  await member(log).join();
  await expect.poll(() => seen.at(-1), POLL).toBe(0);
  slow.letGo();
  await expect.poll(() => seen.at(-1), POLL).toBeGreaterThan(0);
});

test('a member that is gone is taken out although its last heartbeat was never heard', async () => {
  const log = openLog();
  const [line, deaf] = [new HeldBackLog(log), holdableLog(log)];
  const gone = member(line.log, { leaseMs: 400 });
  await gone.join();
  const observer = member(deaf, { leaseMs: 400 });
  opened.push({ close: async () => deaf.release() }, { close: async () => line.letGo() });
  await observer.join();
  await expect.poll(() => observer.members, POLL).toEqual([gone.id, observer.id]);
  deaf.hold();
  const heard = await heartbeatOf(log, gone);
  await expect.poll(() => heartbeatOf(log, gone), POLL).toBeGreaterThan(heard);
  line.hold();
  await expect.poll(() => observer.members, POLL).toEqual([observer.id]);
});

test('what a dead process left that nobody of the group answers for is removed', async () => {
  const log = openLog();
  const remnants = [memberSubject(GROUP, 'never-entered'), progressSubject(GROUP, 'taken-out')];
  for (const subject of remnants) await log.append('leases', { subject, data: '{}' });
  let answering = member(log, { leaseMs: 600 });
  await answering.join();
  const remaining = async () => {
    // On a busy machine a lease as short as this one may be lost.
    if (!answering.isValid) {
      answering = member(log, { leaseMs: 600 });
      await answering.join();
    }
    return await Promise.all(remnants.map(async (subject) => (await log.last('leases', subject))?.data));
  };
  await expect.poll(remaining, POLL).toEqual([null, null]);
});
