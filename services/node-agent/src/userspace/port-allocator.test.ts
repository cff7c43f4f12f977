import { describe, expect, test } from 'vitest';
import { PortAllocator } from './port-allocator.ts';

describe('ports of a range', () => {
  test('are given in order, and stay with their owner', () => {
    const ports = new PortAllocator({ first: 20_000, last: 20_002 });
    expect(['a', 'b', 'a', 'c'].map((owner) => ports.take(owner))).toEqual([20_000, 20_001, 20_000, 20_002]);
    expect(ports.take('d')).toBeUndefined();
  });

  test('are given again as late as possible after they were released', () => {
    const ports = new PortAllocator({ first: 20_000, last: 20_002 });
    ports.take('a');
    ports.release('a');
    expect(['b', 'c', 'd', 'e'].map((owner) => ports.take(owner))).toEqual([20_001, 20_002, 20_000, undefined]);
  });

  test('that another process has are not given again', () => {
    const ports = new PortAllocator({ first: 20_000, last: 20_001 });
    ports.take('a');
    ports.abandon('a');
    expect([ports.take('a'), ports.take('b')]).toEqual([20_001, undefined]);
  });
});
