import { expect, test } from 'vitest';
import { LineSplitter } from './split-lines.ts';

const TEXT = 'a\n{"käse":"🚂"}\r\n\nlast one is cut';
const LINES = ['a', '{"käse":"🚂"}'];

test('wherever the chunks are cut, the lines are the same, and the unfinished one is kept back', () => {
  const bytes = Buffer.from(TEXT);
  for (let first = 0; first <= bytes.length; first += 1) {
    for (let second = first; second <= bytes.length; second += 1) {
      const splitter = new LineSplitter(100);
      const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      expect(parts.flatMap((part) => splitter.push(part))).toEqual(LINES);
    }
  }
});

test('a line may be as long as the limit, over any number of chunks', () => {
  const splitter = new LineSplitter(4);
  expect(['ab', 'cd', '\n', 'abcd\n'].flatMap((part) => splitter.push(Buffer.from(part)))).toEqual(['abcd', 'abcd']);
});

test('a longer line is refused before its end has come', () => {
  const splitter = new LineSplitter(4);
  splitter.push(Buffer.from('abcd'));
  expect(() => splitter.push(Buffer.from('e'))).toThrow('a line of the watch is longer than 4 bytes');
});
