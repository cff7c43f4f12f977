import { describe, expect, test } from 'vitest';
import { networkOf, RateLimiter } from './rate-limiter.ts';

function verdicts(limiter: RateLimiter, count: number, { peer = '192.0.2.1', kind = 1, nowMs = 0 } = {}): string {
  return Array.from({ length: count }, () => limiter.check(peer, kind, nowMs)[1]).join('');
}

describe('a network', () => {
  test('gets so many answers of a kind, then every second one truncated, and more as time passes', () => {
    const limiter = new RateLimiter({ perSecond: 3, slip: 2 });
    expect(verdicts(limiter, 7)).toBe('eeerlrl');
    expect(verdicts(limiter, 2, { nowMs: 400 })).toBe('er');
    expect(verdicts(limiter, 4, { nowMs: 5000 })).toBe('eeel');
  });

  test('has its own limit, and so has each kind', () => {
    const limiter = new RateLimiter({ perSecond: 1, slip: 0 });
    expect(verdicts(limiter, 2)).toBe('er');
    expect(verdicts(limiter, 1, { peer: '192.0.2.200' })).toBe('r');
    expect(verdicts(limiter, 1, { peer: '192.0.3.1' })).toBe('e');
    expect(verdicts(limiter, 1, { kind: 2 })).toBe('e');
  });
});

test.for([
  ['192.0.2.77', '192.0.2.'],
  ['2001:db8:1:23ff::5', '2001:db8:1:35'],
  ['2001:db8:1:2301:1:2:3:4', '2001:db8:1:35'],
  ['::1', '0:0:0:0'],
] as const)('%s is in %s', ([address, network]) => {
  expect(networkOf(address)).toBe(network);
});
