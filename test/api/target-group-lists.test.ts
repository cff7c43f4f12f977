/** Lists of target groups are put together from what was written before: they must be what they would be from nothing. */
import { type TargetGroupList, targetGroupSetSubject } from '@signalbox/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { aGroup, decided } from './target-world.ts';
import { openWorld } from './world.ts';

const CLASSES = ['', 'example.com/f5'];
const FILTERS = ['', '?cluster=c1', '?namespace=shop', '?cluster=c2&service=web', '?service=none'];

const step = fc.record({
  cluster: fc.constantFrom('c1', 'c2'),
  name: fc.constantFrom('api', 'web', 'wéb'),
  loadBalancerClass: fc.constantFrom(...CLASSES),
  /** Targets of each port; undefined: the Service leaves the class. */
  ports: fc.option(fc.array(fc.nat({ max: 3 }), { maxLength: 2 }), { nil: undefined }),
});

test('a list after any changes is the one that a new process would give', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      await using world = await openWorld();
      using old = openApi(world);
      await decided(world.log, 1);
      for (const { ports, loadBalancerClass, ...place } of steps) {
        const key = { ...place, namespace: 'shop' };
        const groups = ports?.map((targets, i) => {
          const addresses = Array.from({ length: targets }, (_, target) => `10.0.${i}.${target}`);
          return aGroup(key, addresses, { loadBalancerClass, port: 80 + i });
        });
        const set = groups && { ...key, revision: 1, changedAtMs: 1, decidedAtMs: 1, groups };
        const subject = targetGroupSetSubject({ ...key, loadBalancerClass });
        await world.log.append('targets', { subject, data: set === undefined ? null : JSON.stringify(set) });
        await world.projector.processAll();
        using fresh = openApi(world);
        for (const path of CLASSES.flatMap((each) => FILTERS.map((filter) => pathOf(each, filter)))) {
          const { text, body } = await ask<TargetGroupList>(old, path);
          expect(text).toBe((await ask(fresh, path)).text);
          expect(text).toBe(JSON.stringify(body));
        }
      }
    }),
    { numRuns: 10 },
  );
});

function pathOf(loadBalancerClass: string, filter: string): string {
  return `/v1/load-balancers/${encodeURIComponent(loadBalancerClass || '_')}/target-groups${filter}`;
}

test('a class that has not changed is not written again, whoever asks', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const key = { cluster: 'c1', namespace: 'shop', name: 'web' };
  const set = { ...key, revision: 1, changedAtMs: 1, decidedAtMs: 1, groups: [aGroup(key, ['10.0.0.1'])] };
  const subject = targetGroupSetSubject({ ...key, loadBalancerClass: '' });
  await world.log.append('targets', { subject, data: JSON.stringify(set) });
  await decided(world.log, 1);
  await world.projector.processAll();
  const first = await ask(api, pathOf('', ''));
  // Behind the back of everybody: only who reads the store again would see it.
  world.store.run(world.store.builder.updateTable('target_group_sets').set({ data: '{"groups":[]}' }));
  expect((await ask(api, pathOf('', ''))).text).toBe(first.text);
});
