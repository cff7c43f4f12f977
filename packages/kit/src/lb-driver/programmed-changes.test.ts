import type { TargetGroupSet } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { createRegistry } from '../metrics.ts';
import { ProgrammedChanges } from './programmed-changes.ts';
import type { IndexedSet } from './target-feed.ts';

const KEY = { cluster: 'shop', namespace: 'shop', name: 'web' };

function aLab() {
  const registry = createRegistry();
  const changes = new ProgrammedChanges({ registry }, 'f5');
  const startedMs = Date.now();
  return {
    changes,
    /** A set of a change so many milliseconds after the start, programmed so many after it. */
    program: (set: Partial<TargetGroupSet> & { index: number; changedMs: number; programmedMs: number }): void => {
      const { index, changedMs, programmedMs, ...rest } = set;
      const changedAtMs = startedMs + changedMs;
      const times = { changedAtMs, decidedAtMs: changedAtMs };
      const indexed: IndexedSet = { key: KEY, index, set: { ...KEY, revision: 1, ...times, groups: [], ...rest } };
      changes.note(indexed, startedMs + programmedMs);
    },
    read: async (): Promise<{ count: number; sum: number }> => {
      const text = await registry.metrics();
      const value = (suffix: string): number => {
        const line = `^signalbox_lb_programming_duration_seconds_${suffix}\\{class="f5"\\} (\\S+)$`;
        return Number(new RegExp(line, 'm').exec(text)?.[1] ?? 0);
      };
      return { count: value('count'), sum: value('sum') };
    },
  };
}

describe('the programming latency of load balancers', () => {
  test('is from the change in the cluster to the load balancer following it', async () => {
    const { program, read } = aLab();
    program({ index: 1, changedMs: 1_000, programmedMs: 1_250, programHash: 'a' });
    program({ index: 2, changedMs: 2_000, programmedMs: 3_500, programHash: 'b' });
    expect(await read()).toEqual({ count: 2, sum: 1.75 });
  });

  test('counts a change that damping held back when it is in, not when it was only noted', async () => {
    const { program, read } = aLab();
    program({ index: 1, changedMs: 1_000, programmedMs: 1_000, programHash: 'a' });
    program({ index: 2, changedMs: 2_000, programmedMs: 2_010, programHash: 'a' });
    expect((await read()).count).toBe(1);
    program({ index: 3, changedMs: 2_000, programmedMs: 32_000, programHash: 'b' });
    expect(await read()).toEqual({ count: 2, sum: 30 });
  });

  test('does not count what damping does later: a target that has drained is no change in the cluster', async () => {
    const { program, read } = aLab();
    program({ index: 1, changedMs: 1_000, programmedMs: 1_500, programHash: 'a' });
    program({ index: 2, changedMs: 1_000, programmedMs: 301_500, programHash: 'b' });
    program({ index: 2, changedMs: 1_000, programmedMs: 400_000, programHash: 'b' });
    expect(await read()).toEqual({ count: 1, sum: 0.5 });
  });

  test('does not count what changed before the driver began', async () => {
    const { program, read } = aLab();
    program({ index: 1, changedMs: -60_000, programmedMs: 100, programHash: 'a' });
    expect(await read()).toEqual({ count: 0, sum: 0 });
  });
});
