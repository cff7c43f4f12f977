import { expect, test } from 'vitest';
import { humanLogLine } from './human-log.ts';

test('a log line is shown short, with its fields and its error', () => {
  const line = {
    level: 40,
    time: 1,
    component: 'api-watcher',
    msg: 'manifest left out',
    file: 'shop.yaml',
    count: 2,
    err: { message: 'no kind', stack: 'long' },
  };
  expect(humanLogLine(`${JSON.stringify(line)}\n`)).toBe(
    'warn  api-watcher: manifest left out (no kind) file=shop.yaml count=2',
  );
});

test('what is no JSON is shown as it is', () => {
  expect(humanLogLine('(node) Warning\n')).toBe('(node) Warning');
});
