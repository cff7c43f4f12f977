import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClassBudget } from './class-budget.ts';

const POLICY = { perSecond: 10, burst: 3 };

/** Gives all turns that there are; returns who had them. */
function turns(budget: ClassBudget, nowMs: number): string[] {
  const had: string[] = [];
  for (let next = budget.next(POLICY, nowMs); next !== undefined; next = budget.next(POLICY, nowMs)) {
    budget.take(next);
    had.push(next);
  }
  return had;
}

test('a burst is given at once, then so many a second', () => {
  const budget = new ClassBudget(POLICY, 0);
  for (const service of ['a', 'b', 'c', 'd', 'e']) budget.wait(service);
  expect(turns(budget, 0)).toEqual(['a', 'b', 'c']);
  for (const nowMs of [0, 50]) expect(budget.nextTurnMs(POLICY, nowMs)).toBe(100);
  expect(turns(budget, 99)).toEqual([]);
  expect(turns(budget, 200)).toEqual(['d', 'e']);
  expect(budget.nextTurnMs(POLICY, 200)).toBe(undefined);
});

test('nobody is served before those who wait', () => {
  const budget = new ClassBudget(POLICY, 0);
  budget.wait('a');
  expect(budget.mayUpdate('b', POLICY, 0)).toBe(false);
  expect(budget.mayUpdate('a', POLICY, 0)).toBe(true);
});

test('nobody has two turns while another waits, however often it asks', () => {
  const services = fc.array(fc.constantFrom('a', 'a', 'a', 'b', 'c'), { maxLength: 6 });
  const events = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 300 }), services }), { maxLength: 60 });
  fc.assert(
    fc.property(events, (all) => {
      const budget = new ClassBudget(POLICY, 0);
      /** Of each that waits: who has had a turn since it began to. */
      const overtaken = new Map<string, Set<string>>();
      let nowMs = 0;
      for (const event of all) {
        nowMs += event.waitMs;
        for (const service of event.services) {
          budget.wait(service);
          overtaken.set(service, overtaken.get(service) ?? new Set());
        }
        for (const service of turns(budget, nowMs)) {
          overtaken.delete(service);
          expect([...overtaken.values()].some((others) => others.has(service))).toBe(false);
          for (const others of overtaken.values()) others.add(service);
        }
      }
    }),
  );
});
