/** The webhook driver with a real HTTP server: what arrives, in which order, and what becomes of refusals. */
import { join } from 'node:path';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import { startWebhookDriver, type WebhookDriver, type WebhookDriverOptions } from '@signalbox/webhook-driver';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { ManualClock } from '../harness/manual-clock.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { ackOf, aGroup, aTarget, CLASS, putGroups, removeGroups, reportOf } from './haproxy-world.ts';
import { startReceiver, type WebhookReceiver } from './webhook-receiver.ts';

const SECRET = Buffer.alloc(32, 7);
const DRIVER = 'hook-a';
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let log: EventLog;
let receiver: WebhookReceiver;
const drivers: WebhookDriver[] = [];
const logged: string[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  log = openSqliteEventLog({ path: join(folder.path, 'log.db') });
  receiver = await startReceiver(SECRET);
});
afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.stop()));
  await receiver.close();
  await log.close();
  await folder.remove();
  const secrets = [SECRET.toString('base64'), SECRET.toString('hex')];
  expect(logged.splice(0).filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
});

function startDriver(options: Partial<WebhookDriverOptions> = {}): WebhookDriver {
  const logger = createLogger({ component: 'test', destination: { write: (line: string) => void logged.push(line) } });
  const driver = startWebhookDriver(
    { log, logger, registry: createRegistry() },
    {
      loadBalancerClass: CLASS,
      name: DRIVER,
      url: receiver.url,
      secrets: [SECRET],
      allowsPrivate: true,
      backoff: { minMs: 20, maxMs: 100 },
      refusedRetryMs: 60_000,
      leaseMs: 15_000,
      reportIntervalMs: 10,
      ...options,
    },
  );
  drivers.push(driver);
  return driver;
}

const PORT = 80;
const put = (name: string, count: number): Promise<number> => {
  const targets = Array.from({ length: count }, (_, i) => aTarget(`10.0.0.${i + 1}`, 8080));
  return putGroups(log, name, [aGroup(name, PORT, targets)]);
};

async function delivered(name: string, index: number): Promise<void> {
  await waitFor(`index ${index} of ${name}`, async () => {
    const report = await reportOf(log, name, PORT);
    return report?.index === index && report.error === '';
  });
}

async function failed(name: string, error: RegExp): Promise<void> {
  await waitFor(`the error of ${name}`, async () => error.test((await reportOf(log, name, PORT))?.error ?? ''));
}

test('delivers each group signed, reports its index, and tells when it is gone', async () => {
  startDriver();
  const index = await put('web', 2);
  await delivered('web', index);
  expect(receiver.messages).toMatchObject([{ type: 'target-group.changed', name: 'web', index }]);
  await waitFor('the acknowledgement', async () => ((await ackOf(log, DRIVER))?.revision ?? 0) > 0);
  expect(await ackOf(log, DRIVER)).toMatchObject({ kind: 'lb-driver', error: '' });
  await removeGroups(log, 'web');
  await waitFor('the removal', () => receiver.messages.at(-1)?.type === 'target-group.removed');
  await waitFor('no report', async () => (await reportOf(log, 'web', PORT)) === undefined);
});

test('sends only the newest of what waits, and never an older index after a newer one', async () => {
  let release = (): void => {};
  receiver.answer = () =>
    new Promise((resolve) => {
      release = () => resolve(200);
    });
  startDriver();
  await put('web', 1);
  await waitFor('the first attempt', () => receiver.attempts === 1);
  let last = 0;
  for (let count = 2; count < 30; count += 1) last = await put('web', count);
  receiver.answer = () => 200;
  release();
  await delivered('web', last);
  const indexes = receiver.messages.map((message) => message.index);
  expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
  expect(indexes.length).toBeLessThanOrEqual(3);
});

test('tries again after a server error, with the same id, and other groups do not wait for it', async () => {
  let failures = 3;
  const ids = new Set<string>();
  receiver.answer = ({ name, id }) => {
    if (name !== 'web') return 200;
    ids.add(id);
    failures -= 1;
    return failures >= 0 ? 503 : 204;
  };
  startDriver({ concurrency: 1 });
  const index = await put('web', 1);
  const other = await put('other', 1);
  await delivered('other', other);
  await delivered('web', index);
  expect(ids.size).toBe(1);
});

test('errors for a minute: tried again ever more seldom, then each group has its newest index and nothing else', async () => {
  const clock = new ManualClock();
  const tried = new Map<string, number>();
  receiver.answer = ({ name, index }) => {
    tried.set(name, index);
    return 503;
  };
  // With one message at a time, who waits for the clock has nothing under way.
  startDriver({ clock, concurrency: 1, backoff: { minMs: 500, maxMs: 10_000 } });
  await put('other', 1);
  const endMs = clock.nowMs() + 60_000;
  while (clock.nowMs() < endMs) {
    await put('web', 1);
    await clock.advanceToNextCall(endMs);
  }
  await failed('web', /answered 503/);
  await failed('other', /answered 503/);
  expect(receiver.messages).toEqual([]);
  // Pauses of a random half to all of 0.5, 1, 2, 4, 8, 10 … seconds: 9 to 16 of them in a minute, for each group.
  expect(receiver.attempts).toBeGreaterThanOrEqual(2 * 9);
  expect(receiver.attempts).toBeLessThanOrEqual(2 * 17);
  const [web, other] = [await put('web', 3), await put('other', 3)];
  while (tried.get('web') !== web || tried.get('other') !== other) await clock.advanceToNextCall();
  await waitFor('the driver to wait', () => clock.nextCallMs !== undefined);
  receiver.answer = () => 200;
  clock.advance(10_000);
  await delivered('web', web);
  await delivered('other', other);
  const accepted = receiver.messages.map(({ name, index }) => `${name} ${index}`);
  expect(accepted.sort()).toEqual([`other ${other}`, `web ${web}`]);
});

test('a refusal is reported and not repeated; the next index is sent at once', async () => {
  receiver.answer = ({ index }) => (index === first ? 422 : 200);
  const first = await put('web', 1);
  startDriver();
  await failed('web', /answered 422: noted/);
  const attempts = receiver.attempts;
  const next = await put('web', 2);
  await delivered('web', next);
  expect(receiver.attempts).toBe(attempts + 1);
});

test('410 is not tried again until there is a newer index', async () => {
  receiver.answer = () => 410;
  startDriver();
  await put('web', 1);
  await failed('web', /answered 410/);
  const other = await put('other', 1);
  await failed('other', /answered 410/);
  expect(receiver.attempts).toBe(2);
  receiver.answer = () => 200;
  const next = await put('web', 2);
  await delivered('web', next);
  expect(receiver.messages.map(({ index }) => index)).toEqual([next]);
  expect(other).toBeGreaterThan(0);
});

test('redirects are not followed', async () => {
  const target = await startReceiver(SECRET);
  await receiver.close();
  receiver = await startReceiver(SECRET, { location: target.url.href });
  receiver.answer = () => 307;
  startDriver();
  await put('web', 1);
  await failed('web', /answered 307/);
  expect(target.attempts).toBe(0);
  await target.close();
});

test.for([
  { name: 'an address', host: '127.0.0.1' },
  { name: 'a name that leads there', host: 'localhost' },
  { name: 'an IPv4 address in an IPv6 one', host: '[::ffff:127.0.0.1]' },
  { name: 'a number', host: '2130706433' },
])('private receivers are not sent to unless allowed: $name', async ({ host }) => {
  const url = new URL(receiver.url);
  url.host = `${host}:${receiver.url.port}`;
  startDriver({ allowsPrivate: false, url });
  await put('web', 1);
  await failed('web', /is private/);
  expect(receiver.attempts).toBe(0);
});

test('a restart sends nothing again but what changed meanwhile', async () => {
  const first = startDriver();
  await delivered('web', await put('web', 1));
  await delivered('gone', await put('gone', 1));
  await first.stop();
  const count = receiver.attempts;
  await removeGroups(log, 'gone');
  const next = await put('new', 1);
  startDriver();
  await delivered('new', next);
  await waitFor(
    'the removal',
    () => receiver.messages.at(-1)?.type === 'target-group.removed' || receiver.attempts > count + 1,
  );
  expect(
    receiver.messages
      .slice(2)
      .map(({ name, type }) => `${name} ${type}`)
      .sort(),
  ).toEqual(['gone target-group.removed', 'new target-group.changed']);
  expect(receiver.attempts).toBe(count + 2);
});

test('as many messages are under way as allowed, whatever the number of groups', async () => {
  receiver.answer = () => new Promise((resolve) => void setImmediate(() => resolve(200)));
  const indexes = await Promise.all(Array.from({ length: 40 }, (_, i) => put(`web-${i}`, 1)));
  startDriver({ concurrency: 4 });
  for (const [i, index] of indexes.entries()) await delivered(`web-${i}`, index);
  expect(receiver.mostAtOnce).toBeLessThanOrEqual(4);
  expect(receiver.messages).toHaveLength(40);
});

test('a receiver that does not answer in time is tried again', async () => {
  let hangs = true;
  receiver.answer = () => (hangs ? new Promise<number>(() => {}) : 200);
  startDriver({ timeoutMs: 300 });
  const index = await put('web', 1);
  await failed('web', /cannot be reached: no answer in time/);
  hangs = false;
  await delivered('web', index);
});
