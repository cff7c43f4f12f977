/** From objects to target groups, on a real log: what a load balancer is told when pods, clusters and people misbehave. */
import { ackSubject, type NodeAgentAck, targetGroupReportSubject } from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { aNode } from '../harness/objects.ts';
import { aBalancedService, CLUSTER, LbWorld, podsOf, theCluster } from './lb-world.ts';

const [A, B, C, D] = ['10.244.1.1', '10.244.1.2', '10.244.1.3', '10.244.1.4'] as const;
const ALL = [A, B, C, D] as const;
const ready = (address: string): string => `${address} active ready`;

let world: LbWorld;
beforeEach(async () => {
  world = new LbWorld();
  await world.put(aBalancedService(), podsOf('web', ALL), theCluster());
  await world.start();
  await world.targetsBecome(ALL.map(ready));
});
afterEach(() => world.close());

test('targets that come later are sent together', async () => {
  const [E, F] = ['10.244.1.5', '10.244.1.6'];
  await world.put(podsOf('web', [...ALL, E]));
  await world.targetsBecome([...ALL.map(ready), `${E} pending batching`]);
  world.clock.advance(500);
  await world.put(podsOf('web', [...ALL, E, F]));
  await world.targetsBecome([...ALL.map(ready), `${E} pending batching`, `${F} pending batching`]);
  world.clock.advance(1_000);
  await world.targetsBecome([...ALL, E, F].map(ready));
});

test('a pod drains while it terminates, and is gone with its endpoint', async () => {
  await world.put(podsOf('web', [A, B, C, { address: D, isTerminating: true }]));
  await world.targetsBecome([...[A, B, C].map(ready), `${D} draining terminating`]);
  world.clock.advance(45_000);
  await world.put(podsOf('web', [A, B, C]));
  await world.targetsBecome([...[A, B, C].map(ready), `${D} draining removed`]);
  world.clock.advance(5_000);
  await world.targetsBecome([...[A, B, C].map(ready), `${D} gone removed`]);
  world.clock.advance(300_000);
  await world.targetsBecome([A, B, C].map(ready));
});

test('a pod that flaps is held down, and back when it has behaved', async () => {
  for (let i = 0; i < 3; i += 1) {
    await world.put(podsOf('web', [A, B, C, { address: D, isReady: false }]));
    await world.settled();
    world.clock.advance(2_000);
    await world.put(podsOf('web', ALL));
    await world.settled();
    world.clock.advance(6_000);
  }
  await world.targetsBecome([...[A, B, C].map(ready), `${D} draining flapping`]);
  world.clock.advance(24_000);
  await world.targetsBecome([...[A, B, C].map(ready), `${D} pending flapping`]);
  const [group] = (await world.sets()).get('web')?.groups ?? [];
  const untilMs = group?.targets[3]?.untilMs ?? 0;
  expect(untilMs).toBeGreaterThan(world.clock.nowMs());
  world.clock.advance(untilMs - world.clock.nowMs());
  await world.targetsBecome(ALL.map(ready));
});

describe('many pods that vanish at once', () => {
  const held = [
    `${A} draining removed`,
    `${B} draining removed`,
    ...[C, D].map((it) => `${it} active mass-removal-guard`),
  ];

  test('leave by half, and the rest after a minute', async () => {
    await world.put(podsOf('web', []));
    await world.targetsBecome(held);
    expect((await world.sets()).get('web')?.groups[0]?.held).toEqual({
      targets: 2,
      untilMs: world.clock.nowMs() + 60_000,
    });
    world.clock.advance(60_000);
    await world.targetsBecome(
      [A, B].map((it) => `${it} gone removed`).concat([C, D].map((it) => `${it} draining removed`)),
    );
  });

  test('leave when somebody confirms the revision', async () => {
    const revision = await world.put(podsOf('web', []));
    await world.targetsBecome(held);
    await world.confirm('web', revision);
    await world.targetsBecome(ALL.map((it) => `${it} draining removed`));
  });

  test('stay held over a restart, to the same end', async () => {
    await world.put(podsOf('web', []));
    await world.targetsBecome(held);
    await world.stop();
    const { messages } = await world.log.info('targets');
    world.clock.advance(59_999);
    await world.start();
    await world.settled();
    // B has drained meanwhile; who is held and until when is as it was.
    await world.targetsBecome(held.map((text) => text.replace('draining', 'gone')));
    world.clock.advance(1);
    await world.targetsBecome(
      [A, B].map((it) => `${it} gone removed`).concat([C, D].map((it) => `${it} draining removed`)),
    );
    expect((await world.log.info('targets')).messages).toBe(messages);
  });
});

describe('a cluster', () => {
  const known = ALL.map((it) => `${it} active cluster-unreachable`);
  const objects = () => [theCluster(), aBalancedService(), podsOf('web', ALL)];

  test('that is forgotten keeps its targets for an hour', async () => {
    await world.remove(...objects());
    await world.targetsBecome(known);
    world.clock.advance(3_600_000);
    await world.targetsBecome(ALL.map((it) => `${it} draining removed`));
    world.clock.advance(35_000);
    await waitFor('the set to be withdrawn', async () => !(await world.sets()).has('web'));
  });

  test('that is back in time has lost nothing', async () => {
    await world.remove(...objects());
    await world.targetsBecome(known);
    await world.put(...objects().toReversed());
    await world.targetsBecome(ALL.map(ready));
  });

  test('that cannot be read is said to be so, and its targets stay', async () => {
    await world.reportSource('unreachable');
    await world.targetsBecome(known);
    world.clock.advance(86_400_000);
    await world.reportSource('watching');
    await world.targetsBecome(ALL.map(ready));
  });

  test('that is suddenly empty is taken for a mistake at first', async () => {
    const others = ['x', 'y'].flatMap((name) => [aBalancedService(name), podsOf(name, [A])]);
    await world.put(...others);
    await world.targetsBecome([ready(A)], 'y');
    await world.remove(...others, aBalancedService(), podsOf('web', ALL));
    for (const name of ['x', 'y']) await world.targetsBecome([`${A} active mass-removal-guard`], name);
    world.clock.advance(60_000);
    await world.targetsBecome([`${A} draining removed`], 'x');
    world.clock.advance(35_000);
    await waitFor('the sets to be withdrawn', async () => (await world.sets()).size === 0);
  });
});

test('a Service that is deleted is withdrawn at once', async () => {
  await world.remove(aBalancedService());
  await waitFor('the set to be withdrawn', async () => !(await world.sets()).has('web'));
});

test('a Service that changes its class leaves the old one', async () => {
  await world.remove(aBalancedService());
  await world.settled();
  await world.put(aBalancedService('web', { loadBalancerClass: 'example.com/f5' }));
  await world.targetsBecome(ALL.map(ready));
  expect((await world.sets()).get('web')?.groups[0]?.loadBalancerClass).toBe('example.com/f5');
});

test('nothing changes while its class is paused, or itself', async () => {
  await world.putPolicy({ isPaused: true });
  await world.settled();
  await world.put(podsOf('web', [A]));
  await world.targetsBecome([ready(A), ...[B, C, D].map((it) => `${it} active paused`)]);
  await world.putPolicy({ pausedServices: [`${CLUSTER}/shop/web`] });
  await world.settled();
  expect(await world.targets()).toEqual([ready(A), ...[B, C, D].map((it) => `${it} active paused`)]);
  await world.putPolicy({ massRemoval: { minShare: 0 } });
  await world.targetsBecome([ready(A), ...[B, C, D].map((it) => `${it} draining removed`)]);
});

test('a policy chooses what targets are, of all Services of its class', async () => {
  await world.put(aNode('node-a', '10.240.0.1'));
  await world.put(aBalancedService('web', { ports: [{ name: 'http', port: 80, nodePort: 30_080 }] }));
  await world.putPolicy({ targetType: 'node' });
  await waitFor('the node to be a target', async () => (await world.targets()).includes(ready('10.240.0.1')));
  await world.putPolicy({ targetType: 'pod', massRemoval: { minShare: 0 } });
  await waitFor('the pods to be targets', async () => (await world.targets()).includes(ready(D)));
});

test('updates of a class are limited, and given in turn', async () => {
  await world.putPolicy({ updates: { perSecond: 1, burst: 1 }, additions: { windowMs: 0, maxDelayMs: 0 } });
  await world.settled();
  const names = ['x', 'y', 'z'];
  await world.put(...names.flatMap((name) => [aBalancedService(name), podsOf(name, [A])]));
  const active = async (): Promise<number> =>
    [...(await world.sets()).values()].filter(({ groups }) => groups[0]?.targets[0]?.state === 'active').length;
  for (const count of [2, 3, 4]) {
    await waitFor(`${count} Services to have had their turn`, async () => (await active()) === count);
    world.clock.advance(1_000);
  }
});

test('a node gets traffic when it has acknowledged the rules', async () => {
  const acknowledge = async (node: string, revision: number): Promise<void> => {
    const ack: NodeAgentAck = {
      kind: 'node-agent',
      layer: 'proxy',
      cluster: CLUSTER,
      consumer: node,
      node,
      backend: 'nftables',
      revision,
      appliedAtMs: 1,
      error: '',
      skippedServices: 0,
    };
    await world.log.append('status', { subject: ackSubject(ack), data: JSON.stringify(ack) });
  };
  await acknowledge('node-a', 1);
  await world.put(aNode('node-a', '10.240.0.1'), aNode('node-b', '10.240.0.2'));
  const revision = await world.put(aBalancedService('db', { ports: [{ name: 'http', port: 80, nodePort: 30_080 }] }));
  await world.targetsBecome(['10.240.0.1 pending awaiting-rules', '10.240.0.2 pending awaiting-rules'], 'db');
  await acknowledge('node-a', revision);
  await world.targetsBecome([ready('10.240.0.1'), '10.240.0.2 pending awaiting-rules'], 'db');
  world.clock.advance(10_000);
  await world.targetsBecome([ready('10.240.0.1'), ready('10.240.0.2')], 'db');
});

describe('a report', () => {
  const port = '80/TCP';
  const subjectOf = (name: string) =>
    targetGroupReportSubject({ loadBalancerClass: '', cluster: CLUSTER, namespace: 'shop', name, port });
  const report = (name: string) => world.log.append('status', { subject: subjectOf(name), data: '{}' });
  const reportOf = async (name: string) => (await world.log.last('status', subjectOf(name)))?.data;
  const isGone = (name: string) => waitFor(`the report on ${name} to go`, async () => (await reportOf(name)) === null);

  test('goes with its target group, whoever made it', async () => {
    await world.put(aBalancedService('db', { clusterIPs: ['10.96.0.11'] }), podsOf('db', [D]));
    await world.targetsBecome([ready(D)], 'db');
    await report('web');
    await report('db');
    await world.remove(aBalancedService('db'), podsOf('db', [D]));
    await world.settled();
    world.clock.advance(3_600_000);
    await isGone('db');
    expect(await reportOf('web')).toBe('{}');
  });

  test('on a group that went while nobody decided goes as well, and one on a group that never was', async () => {
    await report('web');
    await world.stop();
    await report('nobody');
    await world.start();
    await isGone('nobody');
    expect(await reportOf('web')).toBe('{}');
  });
});

test('a restart with nothing changed publishes nothing', async () => {
  const { lastSequence } = await world.log.info('targets');
  await world.stop();
  world.clock.advance(3_600_000);
  await world.start();
  await world.settled();
  expect((await world.log.info('targets')).lastSequence).toBe(lastSequence);
});

test('every revision is decided on, also those in which no target changes', async () => {
  const revision = await world.put(aNode('node-z', '10.240.0.9'));
  await waitFor('the watermark', async () => (await world.watermark()) === revision);
});
