import { expect, test } from 'vitest';
import { readMessage } from './read-message.ts';

const TXT = 16;

test('names that are long ways of pointers are refused, not walked for each record anew', () => {
  // Pointers each to the one before, in the data of a record; then thousands of records that begin at the last.
  const start = 12 + 11;
  const chain = Array.from({ length: 12_000 }, (_, at) => pointer(at === 0 ? 12 : start + 2 * (at - 1))).flat();
  const records = Array.from({ length: 3000 }, () => record(pointer(start + 2 * 8000), []));
  const message = Uint8Array.from([...header(3001), ...record([0], chain), ...records.flat()]);
  const startedAt = process.cpuUsage();
  expect(readMessage(message) === undefined).toBe(true);
  expect(process.cpuUsage(startedAt).user).toBeLessThan(50_000);
});

test('as many pointers as a name can have labels are followed', () => {
  const labels = Array.from({ length: 126 }, (_, at) => [1, 0x61, ...pointer(at === 0 ? 12 : 23 + 4 * (at - 1))]);
  const message = Uint8Array.from([...header(2), ...record([0], labels.flat()), ...record(pointer(23 + 4 * 125), [])]);
  expect(readMessage(message)?.additional[1]?.name).toBe('a.'.repeat(126));
});

test.for([
  ['itself', 12],
  ['what comes later', 20],
] as const)('a pointer to %s is refused', ([, target]) => {
  expect(readMessage(Uint8Array.from([...header(1), ...record(pointer(target), [])]))).toBeUndefined();
});

function header(additional: number): number[] {
  return [0, 7, 0, 0, 0, 0, 0, 0, 0, 0, additional >> 8, additional & 0xff];
}

function record(name: number[], data: number[]): number[] {
  return [...name, 0, TXT, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 0xff, ...data];
}

function pointer(target: number): number[] {
  return [0xc0 | (target >> 8), target & 0xff];
}
