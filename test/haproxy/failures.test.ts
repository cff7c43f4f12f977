/** HAProxy, the driver, or its lease fail in the middle; each time the end state is exactly what was decided. */
import { join } from 'node:path';
import type { TargetGroup } from '@signalbox/contracts';
import { type EventLog, openJetStreamEventLog } from '@signalbox/event-log';
import { afterEach, beforeEach, expect } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { ManualClock } from '../harness/manual-clock.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { programTest } from '../harness/programs.ts';
import { ROOT, startProcess } from '../harness/signalbox.ts';
import {
  ackOf,
  aGroup,
  aTarget,
  CLASS,
  CLUSTER,
  DRIVER,
  freePort,
  type HaproxyWorld,
  isAlive,
  openHaproxyWorld,
  putGroups,
  reportOf,
} from './haproxy-world.ts';
import { startRefusingSocket } from './refusing-socket.ts';
import { runningServers, workerPid } from './running-haproxy.ts';

let world: HaproxyWorld;
let port = 0;
let backend = '';

beforeEach(async () => {
  world = await openHaproxyWorld();
  port = await freePort();
  backend = `${CLUSTER}:shop:web:${port}:TCP`;
});
afterEach(() => world.close());

/** Nobody listens there: what is programmed is asked for here, not what is served. */
function group(numbers: readonly number[], listener = port): TargetGroup {
  return aGroup(
    'web',
    listener,
    numbers.map((number) => aTarget(`127.2.0.${number}`, 9)),
  );
}

const placesOf = (numbers: readonly number[]): string[] => numbers.map((number) => `127.2.0.${number}:9`).sort();

async function serversAre(numbers: readonly number[], log: EventLog = world.log, index = 0): Promise<void> {
  await waitFor(`servers ${numbers.join(', ')}`, async () => {
    const servers = await runningServers(world.socket, backend).catch(() => []);
    return JSON.stringify(servers.map(({ place }) => place)) === JSON.stringify(placesOf(numbers));
  });
  await waitFor('its report', async () => {
    const report = await reportOf(log, 'web', port);
    return report?.error === '' && report.index >= index;
  });
  expect((await runningServers(world.socket, backend)).map(({ state }) => state)).toEqual(numbers.map(() => 'ready'));
}

programTest('haproxy', 'that is killed is started again, with what was decided meanwhile', async () => {
  const driver = await world.startDriver();
  await putGroups(world.log, 'web', [group([1, 2])]);
  await serversAre([1, 2]);
  const [master, worker] = [await world.haproxyPid(), await workerPid(world.socket)];
  for (const pid of [master, worker]) process.kill(pid, 'SIGKILL');
  await waitFor('their end', () => !isAlive(worker));
  const index = await putGroups(world.log, 'web', [group([2, 3])]);
  await serversAre([2, 3], world.log, index);
  expect(await world.haproxyPid()).not.toBe(master);
  expect(driver.state.error).toBe('');
});

programTest(
  'haproxy',
  'that does not answer for a while: the error is told, then the newest state is there',
  async () => {
    const driver = await world.startDriver({ timeoutMs: 2_000, maxBackoffMs: 200 });
    await putGroups(world.log, 'web', [group([1, 2])]);
    await serversAre([1, 2]);
    const [master, worker] = [await world.haproxyPid(), await workerPid(world.socket)];
    for (const pid of [master, worker]) process.kill(pid, 'SIGSTOP');
    try {
      for (let i = 3; i < 9; i += 1) await putGroups(world.log, 'web', [group([i, i + 1])]);
      await waitFor('several failures', async () => (await driver.count('signalbox_haproxy_failures_total')) >= 2);
      await waitFor('the report of it', async () => (await reportOf(world.log, 'web', port))?.error !== '');
      await waitFor('the acknowledgement of it', async () => (await ackOf(world.log))?.error !== '');
      expect(driver.readiness().isReady).toBe(false);
    } finally {
      for (const pid of [master, worker]) process.kill(pid, 'SIGCONT');
    }
    await serversAre([8, 9]);
    await waitFor('the acknowledgement', async () => (await ackOf(world.log))?.error === '');
    expect(driver.readiness()).toEqual({ isReady: true, reason: '' });
  },
);

async function pass(clock: ManualClock, ms: number): Promise<void> {
  const endMs = clock.nowMs() + ms;
  while (clock.nowMs() < endMs) await clock.advanceToNextCall(endMs);
}

programTest(
  'haproxy',
  'that refuses every change for a minute keeps what it has, is asked seldom, and then has the newest state',
  async () => {
    const clock = new ManualClock();
    const driver = await world.startDriver({ clock, maxBackoffMs: 10_000, lookIntervalMs: 60_000 });
    const other = await freePort();
    const otherServers = async (): Promise<string[]> => {
      const servers = await runningServers(socket.realPath, `${CLUSTER}:shop:other:${other}:TCP`);
      return servers.map(({ place, state }) => `${place} ${state}`);
    };
    await putGroups(world.log, 'other', [aGroup('other', other, [aTarget('127.2.1.1', 9), aTarget('127.2.1.2', 9)])]);
    const first = await putGroups(world.log, 'web', [group([1, 2])]);
    await serversAre([1, 2], world.log, first);
    const socket = await startRefusingSocket(world.socket);
    const updates = await driver.count('signalbox_haproxy_updates_total');
    const reloads = await driver.count('signalbox_haproxy_reloads_total');
    socket.isRefusing = true;
    try {
      await putGroups(world.log, 'web', [group([2, 3])]);
      await waitFor('the first refusal', async () => (await driver.count('signalbox_haproxy_failures_total')) > 0);
      for (const numbers of [[3, 4], [4, 5], [5]]) {
        await pass(clock, 15_000);
        await putGroups(world.log, 'web', [group(numbers)]);
      }
      await putGroups(world.log, 'other', [aGroup('other', other, [aTarget('127.2.1.2', 9, { weight: 7 })])]);
      await pass(clock, 15_000);
      await waitFor('the report', async () => /No such/.test((await reportOf(world.log, 'web', port))?.error ?? ''));
      expect((await reportOf(world.log, 'web', port))?.index).toBe(first);
      expect((await ackOf(world.log))?.error).toMatch(/No such/);
      expect((await runningServers(socket.realPath, backend)).map(({ place }) => place)).toEqual(placesOf([1, 2]));
      expect(await otherServers()).toEqual(['127.2.1.1:9 ready', '127.2.1.2:9 ready']);
      // Pauses of a random half to all of 0.1, 0.2 … 6.4, 10, 10 … seconds: 11 to 19 of them in a minute.
      const failures = await driver.count('signalbox_haproxy_failures_total');
      expect(failures).toBeGreaterThanOrEqual(11);
      expect(failures).toBeLessThanOrEqual(20);
      // A round tries three times, and no server needs more than four commands.
      expect(socket.refused).toBeLessThanOrEqual(failures * 3 * 4 * 4);
      socket.isRefusing = false;
      await pass(clock, 10_000);
      const last = await putGroups(world.log, 'web', [group([5, 6])]);
      await serversAre([5, 6], world.log, last);
      expect(await otherServers()).toEqual(['127.2.1.2:9 ready']);
      expect(await driver.count('signalbox_haproxy_failures_total')).toBe(failures);
      // What was missed came at once, and the next change without waiting for the clock.
      expect(await driver.count('signalbox_haproxy_updates_total')).toBe(updates + 2);
      expect(await driver.count('signalbox_haproxy_reloads_total')).toBe(reloads);
      expect(driver.readiness()).toEqual({ isReady: true, reason: '' });
    } finally {
      await driver.stop();
      await socket.close();
    }
  },
);

programTest('haproxy', 'whose reload fails keeps what it has, and servers follow as far as they can', async () => {
  const driver = await world.startDriver();
  await putGroups(world.log, 'web', [group([1])]);
  await serversAre([1]);
  await driver.stop();
  // As if it was run by somebody else, with a command that does not work at first.
  const second = await world.startDriver({ reloadCommand: ['false'], maxBackoffMs: 100 });
  const other = await freePort();
  await putGroups(world.log, 'other', [aGroup('other', other, [])]);
  await putGroups(world.log, 'web', [group([1, 2])]);
  await waitFor('the report of it', async () =>
    /false ended with 1/.test((await reportOf(world.log, 'other', other))?.error ?? ''),
  );
  await waitFor('the servers', async () => (await runningServers(world.socket, backend)).length === 2);
  await second.stop();
  await world.startDriver();
  await serversAre([1, 2]);
  await waitFor('the other one', async () => (await reportOf(world.log, 'other', other))?.error === '');
});

programTest(
  'haproxy',
  'a second driver stands by, takes over when the first one ends, and they never fight',
  async () => {
    const first = await world.startDriver({ leaseMs: 3_000 });
    const index = await putGroups(world.log, 'web', [group([1])]);
    await serversAre([1], world.log, index);
    const second = await world.startDriver({ name: 'driver-b', leaseMs: 3_000 });
    await waitFor('it to stand by', () => /standing by: driver-a/.test(second.readiness().reason));
    const next = await putGroups(world.log, 'web', [group([1, 2])]);
    await serversAre([1, 2], world.log, next);
    expect([first.holdsLease, second.holdsLease]).toEqual([true, false]);
    expect(await second.count('signalbox_haproxy_updates_total')).toBe(0);
    await first.stop();
    const last = await putGroups(world.log, 'web', [group([3])]);
    await serversAre([3], world.log, last);
    expect(second.holdsLease).toBe(true);
    expect((await reportOf(world.log, 'web', port))?.controller).toBe('driver-b');
    // Taken over as it runs: nothing was loaded anew.
    expect(await second.count('signalbox_haproxy_reloads_total')).toBe(0);
  },
);

programTest('haproxy', 'the driver is killed in the middle, again and again', async () => {
  const missing = natsServerMissing();
  if (missing !== undefined) return expect(process.env.CI, missing).toBeUndefined();
  const nats = await startNatsServer();
  const log = await openJetStreamEventLog({ servers: [nats.url], name: 'test', maxBytes: 64 * 1024 ** 2 });
  const settings = `--nats ${nats.url} --class ${CLASS} --folder ${world.folder} --name ${DRIVER} --bind 127.0.0.1`;
  const flags = `${settings} --health-listen 127.0.0.1:0 --lease-duration 2`.split(' ');
  const start = () => startProcess([join(ROOT, 'services/haproxy-driver/dist/main.js'), ...flags]);
  let driver = start();
  try {
    await putGroups(log, 'web', [group([1, 2])]);
    await serversAre([1, 2], log);
    const haproxy = await world.haproxyPid();
    let last: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 20; i += 1) {
        last = [round * 30 + i + 1, round * 30 + i + 2, round * 30 + i + 3];
        await putGroups(log, 'web', [group(last)]);
        if (i === 10) driver.child.kill('SIGKILL');
      }
      await driver.finished;
      driver = start();
    }
    await serversAre(last, log);
    expect(await world.haproxyPid()).toBe(haproxy);
  } finally {
    await driver.stop();
    await log.close();
    await nats.stop();
  }
});
