import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clean, emptyGroup, evict, type GroupState, join, LEAD, leave, release, slotsOf } from './group-state.ts';

const PARTITIONS = Array.from({ length: 7 }, (_, i) => `p${i}`);
const group = (...members: string[]): GroupState => members.reduce(join, emptyGroup(PARTITIONS));

/** Every owner hands over what it is asked for. */
function settled(state: GroupState): GroupState {
  return state.members.reduce((before, member) => release(before, member, PARTITIONS), state);
}
const counts = (state: GroupState): number[] =>
  state.members.map((member) => slotsOf(state, member).filter((name) => name !== LEAD).length);

describe('a group', () => {
  test('gives all to the first, and asks it for a share for the second', () => {
    const state = group('a', 'b');
    expect(slotsOf(state, 'a')).toHaveLength(PARTITIONS.length + 1);
    expect(Object.values(state.slots).filter((slot) => slot.next === 'b')).toHaveLength(3);
    expect(counts(settled(state))).toEqual([4, 3]);
  });

  test('moves nothing from a member that has not released it', () => {
    const state = release(group('a', 'b'), 'b', PARTITIONS);
    expect(slotsOf(state, 'b')).toEqual([]);
  });

  test('hands what a member leaves to the others, clean; what a lost one had is dirty until it is fenced', () => {
    const state = settled(group('a', 'b'));
    expect(Object.values(leave(state, 'b').slots).some(({ isDirty }) => isDirty)).toBe(false);
    const lost = evict(state, 'a');
    expect(slotsOf(lost, 'b')).toHaveLength(PARTITIONS.length + 1);
    const dirty = Object.keys(lost.slots).filter((name) => lost.slots[name]?.isDirty);
    expect(dirty).toHaveLength(5);
    expect(Object.values(clean(lost, 'b', dirty).slots).some(({ isDirty }) => isDirty)).toBe(false);
  });

  test('a slot stays dirty when the one who should fence it is lost, or leaves, before', () => {
    const state = evict(settled(group('a', 'b', 'c')), 'a');
    for (const remove of [evict, leave]) {
      const dirty = Object.keys(state.slots).filter((name) => state.slots[name]?.isDirty);
      const after = remove(state, 'b');
      for (const name of dirty) expect(after.slots[name]).toEqual({ owner: 'c', isDirty: true });
    }
  });

  test('the last one to go leaves everything to the next one to come', () => {
    expect(slotsOf(join(evict(group('a'), 'a'), 'b'), 'b')).toHaveLength(PARTITIONS.length + 1);
  });
});

test('whatever happens: each slot has one living owner, and shares are even once all is handed over', () => {
  const event = fc.record({
    type: fc.constantFrom('join', 'leave', 'evict', 'release' as const),
    member: fc.constantFrom('a', 'b', 'c', 'd'),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const apply = { join, leave, evict, release: (s: GroupState, m: string) => release(s, m, PARTITIONS) };
      let state = emptyGroup(PARTITIONS);
      for (const { type, member } of events) state = apply[type](state, member);
      const owners = new Set(Object.values(state.slots).map(({ owner }) => owner));
      const possible = state.members.length === 0 ? [''] : state.members;
      expect([...owners].filter((owner) => !possible.includes(owner))).toEqual([]);
      const shares = counts(settled(state));
      expect(Math.max(0, ...shares) - Math.min(...shares, Math.max(0, ...shares))).toBeLessThan(2);
    }),
  );
});
