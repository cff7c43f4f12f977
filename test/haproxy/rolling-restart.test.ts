/**
 * From objects to HAProxy with everything real but the cluster: 50 servers on loopback are restarted under load through
 * readiness and termination, and a cluster misbehaves in the ways that damping is for.
 */
import type { LoadBalancerPolicySpec } from '@signalbox/contracts';
import { afterEach, beforeEach, expect } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { aCluster, tombstoneOf } from '../harness/objects.ts';
import { programTest } from '../harness/programs.ts';
import { aBalancedService, CLUSTER, LbWorld } from '../load-balancers/lb-world.ts';
import { type SteadyResult, startSteadyLoad } from './h2load.ts';
import { freePort, type HaproxyWorld, openHaproxyWorld, type StartedDriver } from './haproxy-world.ts';
import { type LoadResult, startLoad } from './load-generator.ts';
import { Rollout } from './rollout.ts';
import { runningServers } from './running-haproxy.ts';

const WITHOUT_DAMPING: Partial<LoadBalancerPolicySpec> = {
  additions: { windowMs: 0, maxDelayMs: 0 },
  flapping: { penalty: 0 },
  massRemoval: { minShare: 0, timeLimitMs: 0 },
  drainMs: 0,
};
const PODS = 50;
const REQUESTS_PER_SECOND = 200;
/** Of our own few: no phase passes without traffic. */
const REQUESTS_PER_PHASE = 10;
const SURGE = 5;

let haproxy: HaproxyWorld;
let world: LbWorld;
let rollout: Rollout;
let driver: StartedDriver;
let port = 0;
let backend = '';

beforeEach(async () => {
  haproxy = await openHaproxyWorld();
  world = new LbWorld(haproxy.log);
  port = await freePort();
  backend = `${CLUSTER}:shop:web:${port}:TCP`;
});
afterEach(async () => {
  await rollout.close();
  await world.stop();
  await haproxy.close();
});

/** One Service with so many ready pods, programmed. */
async function startWorld(pods: number, policy: Partial<LoadBalancerPolicySpec> = {}): Promise<void> {
  rollout = new Rollout({ world, podPort: await freePort(), socket: haproxy.socket, backend, settled });
  const ports = [{ name: 'http', port, targetPort: 'http', appProtocol: 'http' }];
  await world.putPolicy(policy);
  await world.put(aBalancedService('web', { ports }));
  const started = await rollout.start(pods);
  await world.start();
  driver = await haproxy.startDriver({ loadBalancerClass: '', checkIntervalMs: 500 });
  await world.put(rollout.slice(), aCluster(CLUSTER));
  await rollout.becomeReady(started);
  await serversBecome(rollout.places('ready'));
}

/** All that the log holds is decided on, and HAProxy has it. */
async function settled(): Promise<void> {
  await world.settled();
  const { lastSequence } = await haproxy.log.info('targets');
  await waitFor('the driver', () => driver.state.error === '' && driver.state.sequence >= lastSequence);
}

/** Exactly these get new connections, and no other server has any part in it. */
async function serversBecome(places: readonly string[]): Promise<void> {
  let seen: string[] = [];
  await waitFor(`${places.length} servers`, async () => {
    seen = (await runningServers(haproxy.socket, backend)).map(({ place, state }) => `${place} ${state}`);
    return JSON.stringify(seen) === JSON.stringify(places.map((place) => `${place} ready`));
  }).catch((cause: unknown) => {
    throw new Error(`servers are ${seen.join(', ')}`, { cause });
  });
}

interface Restart {
  /** Changes of endpoints, updates of HAProxy, commands for them, reloads. */
  readonly counts: readonly number[];
  readonly load: SteadyResult;
  readonly own: LoadResult;
}

/**
 * Under load of a generator that is not ours, and beside it of a few requests whose answers are read: only these show
 * which pods answered.
 */
async function restartAll(): Promise<Restart> {
  const names = ['updates', 'commands', 'reloads'].map((name) => `signalbox_haproxy_${name}_total`);
  const count = async (): Promise<number[]> => [
    rollout.changes,
    ...(await Promise.all(names.map((name) => driver.count(name)))),
  ];
  const before = await count();
  const first = rollout.pods;
  const load = startSteadyLoad(port, REQUESTS_PER_SECOND);
  const own = startLoad(port, { perSecond: 50, keepsConnections: false });
  const traffic = async (): Promise<void> => {
    const enough = own.sent + REQUESTS_PER_PHASE;
    await waitFor('requests', () => own.sent >= enough);
  };
  for (let done = 0; done < PODS; done += SURGE) {
    const old = first.slice(done, done + SURGE);
    const started = await rollout.start(SURGE);
    for (const phase of [
      () => rollout.becomeReady(started),
      () => rollout.terminate(old),
      () => rollout.endDrained(),
    ]) {
      await phase();
      await traffic();
    }
  }
  for (let i = 0; i < 20; i += 1) {
    await rollout.pass(2_000);
    await rollout.endDrained();
  }
  await serversBecome(rollout.places('ready'));
  const results = { load: await load.stop(), own: await own.stop() };
  const after = await count();
  return { counts: after.map((value, i) => value - (before[i] ?? 0)), ...results };
}

for (const [name, policy] of [
  ['with damping', {}],
  ['without damping', WITHOUT_DAMPING],
] as const) {
  programTest(['haproxy', 'h2load'], `loses no request while 50 pods are restarted, ${name}`, async () => {
    await startWorld(PODS, policy);
    const { counts, load, own } = await restartAll();
    const [changes, updates, commands, reloads] = counts;
    console.info(
      `${name}: ${changes} changes of endpoints, ${updates} updates of HAProxy (${commands} commands), ${load.total} requests of h2load`,
    );
    expect(load.complaints).toEqual([]);
    expect(load.succeeded).toBe(load.total);
    expect(load.total).toBeGreaterThan(REQUESTS_PER_SECOND);
    expect(Object.fromEntries(own.failures)).toEqual({});
    const latest = rollout.pods.map((pod) => pod.name);
    expect(latest.filter((pod) => own.answers.has(pod)).length).toBeGreaterThan(PODS / 2);
    expect(rollout.places('ready')).toHaveLength(PODS);
    expect(reloads).toBe(0);
  });
}

programTest('haproxy', 'a pod that flaps is held out, and comes back when it has been quiet', async () => {
  await startWorld(4, { additions: { windowMs: 0, maxDelayMs: 0 }, drainMs: 0 });
  const [flapping] = rollout.pods;
  if (flapping === undefined) throw new Error('no pod');
  const before = await driver.count('signalbox_haproxy_updates_total');
  for (let i = 0; i < 12; i += 1) {
    await rollout.leaveReady([flapping]);
    await rollout.becomeReady([flapping]);
  }
  const others = rollout.places('ready').filter((place) => !place.startsWith(`${flapping.address}:`));
  await rollout.pass(1_000);
  await serversBecome(others);
  // 24 changes, of which a few reach HAProxy before it is held down.
  expect((await driver.count('signalbox_haproxy_updates_total')) - before).toBeLessThan(12);
  for (let i = 0; i < 10; i += 1) await rollout.pass(60_000);
  await serversBecome(rollout.places('ready'));
});

programTest('haproxy', 'a removal of most pods is held at half of them until it is confirmed', async () => {
  await startWorld(8);
  const gone = rollout.pods.slice(0, 7);
  await rollout.vanish(gone);
  await waitFor(
    'the guard',
    async () => (await runningServers(haproxy.socket, backend)).filter(({ state }) => state === 'ready').length === 4,
  );
  const { lastSequence } = await haproxy.log.info('objects');
  await world.confirm('web', lastSequence);
  for (let i = 0; i < 20; i += 1) await rollout.pass(2_000);
  await serversBecome(rollout.places('ready'));
  expect(rollout.places('ready')).toHaveLength(1);
});

programTest('haproxy', 'a cluster that vanishes keeps its servers', async () => {
  await startWorld(4);
  const places = rollout.places('ready');
  await haproxy.log.appendAll('objects', [
    tombstoneOf(CLUSTER, aCluster(CLUSTER)),
    tombstoneOf(CLUSTER, rollout.slice()),
    tombstoneOf(CLUSTER, aBalancedService('web')),
  ]);
  for (let i = 0; i < 5; i += 1) await rollout.pass(60_000);
  await serversBecome(places);
});
