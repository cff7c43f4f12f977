/** What is printed: a line for each seed, and the numbers of all of them. */
import type { SeedResult } from './run-seed.ts';

export function seedLine({ seed, faults, changes, convergenceMs, violations, outputs }: SeedResult): string {
  const count = [...faults.values()].reduce((sum, times) => sum + times, 0);
  const what = `${count} faults, ${changes} changes, converged in ${seconds(convergenceMs)} s`;
  if (violations.length === 0) return `seed ${seed}: passed (${what})`;
  const lines = violations.map(
    ({ where, expected, found }) => `  ${where}\n    expected: ${expected}\n    found:    ${found}`,
  );
  const replay = `  to replay: npm run test:chaos -- --seed ${seed}; outputs of the processes: ${outputs}`;
  return [`seed ${seed}: FAILED (${what})`, ...lines, replay].join('\n');
}

export function summary(results: readonly SeedResult[]): string {
  const sum = (of: (result: SeedResult) => number): number => results.reduce((total, each) => total + of(each), 0);
  const counts = new Map<string, number>();
  for (const { faults } of results) {
    for (const [name, times] of faults) counts.set(name, (counts.get(name) ?? 0) + times);
  }
  const failed = results.filter(({ violations }) => violations.length > 0);
  const times = results.map(({ convergenceMs }) => convergenceMs).sort((a, b) => a - b);
  const injected = [...counts.values()].reduce((total, each) => total + each, 0);
  const rows: readonly (readonly [string, string])[] = [
    ['seeds', `${results.length}, ${failed.length} failed ${failed.map(({ seed }) => seed).join(' ')}`.trim()],
    ['faults injected', String(injected)],
    ...[...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => [`  ${name}`, String(count)] as const),
    ['changes of the cluster', String(sum(({ changes }) => changes))],
    ['messages in the log', String(sum(({ events }) => events))],
    ['answers held against their revision', String(sum(({ answers }) => answers))],
    [
      'time to converge p50 / p99 / max',
      [0.5, 0.99, 1].map((share) => `${seconds(quantile(times, share))} s`).join(' / '),
    ],
    ['lost or wrong', String(sum(({ violations }) => violations.length))],
  ];
  const skipped = [...new Set(results.flatMap((result) => result.skipped))].map((reason) => `not tried: ${reason}`);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`), ...skipped].join('\n');
}

/** Of values in rising order. */
function quantile(values: readonly number[], share: number): number {
  return values[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1);
}
