import { expect, test } from 'vitest';
import { type Column, formatTable, printable } from './table.ts';

const columns: readonly Column<{ name: string; count: number }>[] = [
  { title: 'name', value: (row) => row.name },
  { title: 'count', value: (row) => row.count },
];

test('columns are as wide as their widest value', () => {
  const rows = [
    { name: 'web', count: 1 },
    { name: 'storefront', count: 12 },
  ];
  expect(formatTable(columns, rows)).toBe('NAME        COUNT\nweb         1\nstorefront  12');
});

test('a line never exceeds the terminal', () => {
  const lines = formatTable(columns, [{ name: 'a'.repeat(100), count: 1 }], 20).split('\n');
  expect(lines.map((line) => line.length)).toEqual([20, 20]);
  expect(lines[1]).toBe(`${'a'.repeat(19)}…`);
});

test('control characters are shown, not sent to the terminal', () => {
  expect(printable('web\u001b[2J\nx')).toBe('web\\x1b[2J\\x0ax');
});
