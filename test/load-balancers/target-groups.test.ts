/** From objects to target groups, on a real log: what a load balancer is told when pods, clusters and people misbehave. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aBalancedService, LbWorld, podsOf, theCluster } from './lb-world.ts';

const [A, B, C, D] = ['10.244.1.1', '10.244.1.2', '10.244.1.3', '10.244.1.4'] as const;

let world: LbWorld;
beforeEach(async () => {
  world = new LbWorld();
  await world.put(aBalancedService(), podsOf('web', [A, B]), theCluster());
  await world.start();
});
afterEach(() => world.close());

test('the first targets are active at once, those that come later are sent together', async () => {
  await world.targetsBecome([`${A} active ready`, `${B} active ready`]);
  await world.put(podsOf('web', [A, B, C]));
  await world.targetsBecome([`${A} active ready`, `${B} active ready`, `${C} pending batching`]);
  world.clock.advance(500);
  await world.put(podsOf('web', [A, B, C, D]));
  await world.settled();
  world.clock.advance(999);
  await world.settled();
  expect((await world.targets()).filter((text) => text.includes('pending'))).toHaveLength(2);
  world.clock.advance(1);
  await world.targetsBecome([A, B, C, D].map((address) => `${address} active ready`));
  expect(await world.watermark()).toBe(5);
});
