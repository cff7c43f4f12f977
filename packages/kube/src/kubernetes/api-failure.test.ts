import { expect, test } from 'vitest';
import { describeFailure, failureOfStatus } from './api-failure.ts';
import { KIND_RESOURCES } from './resources.ts';

const FALLBACK = { code: 500, message: 'no message' };

test.for([
  { status: { code: 401 }, reason: 'unauthorized' },
  { status: { code: 403 }, reason: 'forbidden' },
  { status: { code: 404 }, reason: 'missing' },
  { status: { code: 408 }, reason: 'server' },
  { status: { code: 410 }, reason: 'expired' },
  { status: { code: 422 }, reason: 'rejected' },
  { status: { code: 429 }, reason: 'throttled' },
  { status: { code: 503 }, reason: 'server' },
  { status: { code: 504 }, reason: 'server' },
  { status: { code: 504, details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }, reason: 'expired' },
  { status: { code: 504, message: 'Timeout: Too large resource version: 9, current: 4' }, reason: 'expired' },
  { status: 'no status at all', reason: 'server' },
] as const)('$status is $reason', ({ status, reason }) => {
  expect(failureOfStatus(status, FALLBACK).reason).toBe(reason);
});

test('a status may ask for patience', () => {
  expect(failureOfStatus({ code: 429, details: { retryAfterSeconds: 3 } }, FALLBACK).retryAfterMs).toBe(3000);
});

test('what a person can do about it is said', () => {
  const text = describeFailure(
    failureOfStatus({ code: 403, message: 'no' }, FALLBACK),
    KIND_RESOURCES.Node,
    'context a',
  );
  expect(text).toBe(
    'no (403): grant the verbs list and watch on nodes (API group core), cluster-wide, to the user of context a',
  );
});
