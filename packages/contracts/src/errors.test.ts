import { expect, test } from 'vitest';
import { errorText, isSignalboxError, SignalboxError } from './errors.ts';

test('the text of an error tells its causes, and repeats none', () => {
  const cause = new Error('connection refused');
  expect(errorText(new SignalboxError('unavailable', 'cannot reach the log', { cause }))).toBe(
    'cannot reach the log: connection refused',
  );
  expect(errorText(new Error('failed: connection refused', { cause }))).toBe('failed: connection refused');
  expect(errorText('thrown text')).toBe('thrown text');
});

test('an error is told by its code', () => {
  const error = new SignalboxError('conflict', 'changed meanwhile');
  expect(isSignalboxError(error)).toBe(true);
  expect(isSignalboxError(error, 'conflict')).toBe(true);
  expect(isSignalboxError(error, 'limit')).toBe(false);
  expect(isSignalboxError(new Error('x'))).toBe(false);
});
