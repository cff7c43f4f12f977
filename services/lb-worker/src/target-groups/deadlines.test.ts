import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';

test('keys come up in the order of the deadlines they were given last', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const change = fc.record({ key, atMs: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), fc.integer({ min: 0, max: 100 }), (changes, nowMs) => {
      const deadlines = new Deadlines();
      const wanted = new Map<string, number>();
      for (const { key: each, atMs } of changes) {
        deadlines.set(each, atMs);
        if (atMs === undefined) wanted.delete(each);
        else wanted.set(each, atMs);
      }
      const due = [...wanted].filter(([, atMs]) => atMs <= nowMs);
      const taken = deadlines.takeDue(nowMs);
      expect([...taken].sort()).toEqual(due.map(([each]) => each).sort());
      const times = taken.map((each) => wanted.get(each) ?? 0);
      expect(times).toEqual([...times].sort((left, right) => left - right));
      const later = [...wanted.values()].filter((atMs) => atMs > nowMs);
      expect(deadlines.nextMs).toBe(later.length === 0 ? undefined : Math.min(...later));
    }),
  );
});
