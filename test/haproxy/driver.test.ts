/** The driver with a real HAProxy and real servers: what was decided is what runs, whatever happened in between. */
import { createServer, type Server } from 'node:net';
import type { GroupTarget, TargetGroup } from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { programTest } from '../harness/programs.ts';
import {
  ackOf,
  aGroup,
  aTarget,
  CLUSTER,
  freePort,
  type HaproxyWorld,
  openHaproxyWorld,
  putGroups,
  removeGroups,
  reportOf,
} from './haproxy-world.ts';
import { type Pod, startPod } from './load-balanced-pods.ts';
import { ask, startLoad } from './load-generator.ts';
import { runningServers, slotsOf, tellHaproxy, workerPid } from './running-haproxy.ts';

let world: HaproxyWorld;
const closers: (() => Promise<void>)[] = [];

beforeEach(async () => {
  world = await openHaproxyWorld();
});
afterEach(async () => {
  await world.close();
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function pod(name: string): Promise<Pod> {
  const started = await startPod(name);
  closers.push(() => started.kill());
  return started;
}

async function pods(count: number): Promise<Pod[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => pod(`pod-${i}`)));
}

function target({ address, port }: Pod, parts: Partial<GroupTarget> = {}): GroupTarget {
  return aTarget(address, port, parts);
}

const backendOf = (name: string, port: number): string => `${CLUSTER}:shop:${name}:${port}:TCP`;
const place = ({ address, port }: Pod): string => `${address}:${port}`;

/** Writes the groups and waits until the driver says that HAProxy has them. */
async function program(name: string, groups: readonly TargetGroup[]): Promise<void> {
  const index = await putGroups(world.log, name, groups);
  await programmed(name, groups[0]?.port ?? 0, index);
}

async function programmed(name: string, port: number, index: number): Promise<void> {
  await waitFor(`index ${index} of ${name}`, async () => {
    const report = await reportOf(world.log, name, port);
    return report?.index === index && report.error === '';
  });
}

async function healthIs(name: string, port: number, health: string): Promise<void> {
  await waitFor(`all of ${name} being ${health}`, async () => {
    const report = await reportOf(world.log, name, port);
    return report?.targets.every((entry) => entry.health === health) === true;
  });
}

describe('targets', () => {
  programTest('haproxy', 'gets targets, drains and drops them without a reload', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const port = await freePort();
    const driver = await world.startDriver();
    await program('web', [aGroup('web', port, [target(a)])]);
    expect(await ask(port)).toBe('a');
    const worker = await workerPid(world.socket);
    const reloads = await driver.count('signalbox_haproxy_reloads_total');

    await program('web', [aGroup('web', port, [target(a, { state: 'draining', reason: 'terminating' }), target(b)])]);
    expect([await ask(port), await ask(port)]).toEqual(['b', 'b']);
    expect(await runningServers(world.socket, backendOf('web', port))).toEqual(
      [
        { place: place(a), weight: 1, state: 'drain' as const },
        { place: place(b), weight: 1, state: 'ready' as const },
      ].sort((x, y) => (x.place < y.place ? -1 : 1)),
    );
    await program('web', [aGroup('web', port, [target(b, { weight: 7 })])]);
    expect(await runningServers(world.socket, backendOf('web', port))).toEqual([
      { place: place(b), weight: 7, state: 'ready' },
    ]);
    expect(await workerPid(world.socket)).toBe(worker);
    expect(await driver.count('signalbox_haproxy_reloads_total')).toBe(reloads);
    await waitFor('the acknowledgement', async () => (await ackOf(world.log))?.revision === driver.state.revision);
    expect(await ackOf(world.log)).toMatchObject({ kind: 'lb-driver', cluster: CLUSTER, error: '' });
  });

  programTest(
    'haproxy',
    'doubles slots where they are too few, and deletes them where they are far too many',
    async () => {
      const many = await pods(20);
      const port = await freePort();
      const driver = await world.startDriver();
      const backend = backendOf('web', port);
      await program('web', [
        aGroup(
          'web',
          port,
          many.slice(0, 1).map((each) => target(each)),
        ),
      ]);
      expect(await slotsOf(world.socket, backend)).toBe(4);
      const reloads = await driver.count('signalbox_haproxy_reloads_total');
      await program('web', [
        aGroup(
          'web',
          port,
          many.map((each) => target(each)),
        ),
      ]);
      expect(await slotsOf(world.socket, backend)).toBe(32);
      expect((await runningServers(world.socket, backend)).map((server) => server.place)).toEqual(
        many.map(place).sort(),
      );
      await healthIs('web', port, 'healthy');
      expect(new Set(await Promise.all(many.map(() => ask(port)))).size).toBe(20);

      await program('web', [
        aGroup(
          'web',
          port,
          many.slice(0, 2).map((each) => target(each)),
        ),
      ]);
      await waitFor('slots being deleted', async () => (await slotsOf(world.socket, backend)) === 4);
      expect(await driver.count('signalbox_haproxy_reloads_total')).toBe(reloads);
      expect((await runningServers(world.socket, backend)).map((server) => server.place)).toEqual(
        many.slice(0, 2).map(place).sort(),
      );
    },
  );

  programTest('haproxy', 'keeps a connection to a target that drains', async () => {
    const port = await freePort();
    const [a, b] = [await echoServer(), await pod('b')];
    await world.startDriver();
    await program('web', [aGroup('web', port, [aTarget('127.0.0.1', a.port)])]);
    const connection = await a.connectThrough(port);
    expect(await connection.say('one')).toBe('one');
    const draining = aTarget('127.0.0.1', a.port, { state: 'draining', reason: 'terminating' });
    await program('web', [aGroup('web', port, [draining, target(b)])]);
    expect(await connection.say('two')).toBe('two');
    expect(await ask(port)).toBe('b');
    await program('web', [aGroup('web', port, [target(b)])]);
    expect(await connection.say('three')).toBe('three');
  });
});

describe('reloads', () => {
  programTest('haproxy', 'lose no request while Services come and go', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
    const [port = 0, ...others] = ports;
    const driver = await world.startDriver();
    await program('web', [aGroup('web', port, [target(a), target(b)])]);
    await healthIs('web', port, 'healthy');
    const loads = [true, false].map((keepsConnections) => startLoad(port, { perSecond: 150, keepsConnections }));
    for (const [i, other] of others.entries()) await program(`other-${i}`, [aGroup(`other-${i}`, other, [target(b)])]);
    await removeGroups(world.log, 'other-1');
    await waitFor('the listener being gone', () =>
      ask(others[1] ?? 0).then(
        () => false,
        () => true,
      ),
    );
    const results = await Promise.all(loads.map((load) => load.stop()));
    for (const { failures, sent } of results) {
      expect(Object.fromEntries(failures)).toEqual({});
      expect(sent).toBeGreaterThan(20);
    }
    // The last one is counted when its round has ended, which is after the listener went.
    expect(await driver.count('signalbox_haproxy_reloads_total')).toBeGreaterThanOrEqual(4);
    // Health is known over a reload, so that a server which is down gets nothing afterwards either.
    expect((await reportOf(world.log, 'web', port))?.targets.map(({ health }) => health)).toEqual([
      'healthy',
      'healthy',
    ]);
  });
});

describe('groups that cannot be', () => {
  programTest('haproxy', 'are reported one by one, and the others go on', async () => {
    const a = await pod('a');
    const [port, taken] = [await freePort(), await freePort()];
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(taken, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => void squatter.close(() => resolve())));
    await world.startDriver();
    await putGroups(world.log, 'dns', [aGroup('dns', port, [target(a)], { protocol: 'UDP' })]);
    await putGroups(world.log, 'blocked', [aGroup('blocked', taken, [target(a)])]);
    await program('web', [aGroup('web', port, [target(a)])]);
    await putGroups(world.log, 'also', [aGroup('also', port, [target(a)])]);
    await waitFor('both reports', async () => {
      const errors = [await reportOf(world.log, 'also', port), await reportOf(world.log, 'blocked', taken)];
      return errors.every((report) => report !== undefined && report.error !== '');
    });
    expect(await reportOf(world.log, 'dns', port, 'UDP')).toMatchObject({
      index: 0,
      error: 'HAProxy does not balance UDP',
    });
    expect(await reportOf(world.log, 'also', port)).toMatchObject({
      index: 0,
      error: `127.0.0.1:${port} belongs to ${backendOf('web', port)}`,
    });
    expect((await reportOf(world.log, 'blocked', taken))?.error).toContain('another program listens there');
    expect(await ask(port)).toBe('a');
    expect(await ackOf(world.log)).toMatchObject({ error: '', skippedServices: 3 });

    await new Promise<void>((resolve) => void squatter.close(() => resolve()));
    await waitFor('the blocked one being listened for', async () => (await ask(taken).catch(() => '')) === 'a');
  });
});

describe('what groups ask for', () => {
  programTest('haproxy', 'source ranges: others are refused', async () => {
    const a = await pod('a');
    const [open, shut] = [await freePort(), await freePort()];
    await world.startDriver();
    await program('open', [aGroup('open', open, [target(a)], { sourceRanges: ['127.0.0.0/8', '10.0.0.0/8'] })]);
    await program('shut', [aGroup('shut', shut, [target(a)], { sourceRanges: ['192.0.2.0/24', 'fd00::/8'] })]);
    expect(await ask(open)).toBe('a');
    await expect(ask(shut)).rejects.toThrow();
  });

  programTest('haproxy', 'bytes of TLS pass as they are, after the PROXY header where that is wanted', async () => {
    const a = await echoServer();
    const [plain, proxied] = [await freePort(), await freePort()];
    await world.startDriver();
    await program('tls', [aGroup('tls', plain, [aTarget('127.0.0.1', a.port)], { appProtocol: 'https' })]);
    const parts = { appProtocol: 'https', proxyProtocol: 'v1' };
    await program('ptls', [aGroup('ptls', proxied, [aTarget('127.0.0.1', a.port)], parts)]);
    const hello = '\u0016\u0003\u0001\u0000\u0005sni.example';
    expect(await (await a.connectThrough(plain)).say(hello)).toBe(hello);
    const answer = await (await a.connectThrough(proxied)).say(hello, /example$/);
    expect(answer).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/);
    expect(answer.endsWith(hello)).toBe(true);
  });

  programTest('haproxy', 'session affinity: a client stays where it is when servers come', async () => {
    const some = await pods(8);
    const port = await freePort();
    await world.startDriver();
    const group = (count: number): TargetGroup =>
      aGroup(
        'web',
        port,
        some.slice(0, count).map((each) => target(each)),
        { sessionAffinitySeconds: 600 },
      );
    await program('web', [group(8)]);
    const first = await ask(port);
    for (let i = 0; i < 8; i += 1) expect(await ask(port)).toBe(first);
    const others = some.filter(({ name }) => name !== first).slice(0, 4);
    const mine = some.filter(({ name }) => name === first);
    await program('web', [
      aGroup(
        'web',
        port,
        [...mine, ...others].map((each) => target(each)),
        { sessionAffinitySeconds: 600 },
      ),
    ]);
    expect(await ask(port)).toBe(first);
  });
});

describe('health', () => {
  programTest('haproxy', 'is reported as HAProxy sees it, and a target that fails gets nothing', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const port = await freePort();
    await world.startDriver();
    await program('web', [aGroup('web', port, [target(a), target(b)])]);
    await healthIs('web', port, 'healthy');
    await a.kill();
    await waitFor('the report of the failure', async () => {
      const report = await reportOf(world.log, 'web', port);
      return (
        report?.targets.some(({ health, detail }) => health === 'unhealthy' && detail?.startsWith('L4CON')) === true
      );
    });
    expect([await ask(port), await ask(port), await ask(port)]).toEqual(['b', 'b', 'b']);
    const again = await startPod('a', a.address, a.port);
    closers.push(() => again.kill());
    await healthIs('web', port, 'healthy');
  });
});

describe('drift', () => {
  programTest('haproxy', 'is put right and counted', async () => {
    const [a, b] = [await pod('a'), await pod('b')];
    const port = await freePort();
    const driver = await world.startDriver();
    await program('web', [aGroup('web', port, [target(a), target(b)])]);
    const backend = backendOf('web', port);
    const wanted = await runningServers(world.socket, backend);
    const damages = ['state maint', 'weight 99', 'addr 127.0.0.9 port 9', 'state drain'];
    for (const [i, damage] of damages.entries()) {
      await tellHaproxy(world.socket, `set server ${backend}/s1 ${damage}`);
      await waitFor(
        `repair ${i + 1}`,
        async () => (await driver.count('signalbox_haproxy_drift_repairs_total')) === i + 1,
      );
      expect(await runningServers(world.socket, backend)).toEqual(wanted);
    }
    await tellHaproxy(world.socket, `disable health ${backend}/s2`);
    await waitFor(
      'checks again',
      async () => (await driver.count('signalbox_haproxy_drift_repairs_total')) === damages.length + 1,
    );
    expect(driver.state.error).toBe('');
  });
});

interface EchoServer {
  readonly port: number;
  connectThrough(port: number): Promise<{ say(text: string, until?: RegExp): Promise<string> }>;
}

/** Answers with the bytes that it gets. */
async function echoServer(): Promise<EchoServer> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  closers.push(() => new Promise((resolve) => void server.close(() => resolve())));
  return { port, connectThrough: (through) => openConnection(through) };
}

async function openConnection(port: number) {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  closers.unshift(async () => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    say: (text: string, until?: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = '';
        const onData = (chunk: Buffer): void => {
          answer += chunk.toString('latin1');
          if (until === undefined ? answer.length < text.length : !until.test(answer)) return;
          socket.off('data', onData);
          resolve(answer);
        };
        socket.on('data', onData);
        socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(answer)}`)));
        socket.write(text, 'latin1');
      }),
  };
}
