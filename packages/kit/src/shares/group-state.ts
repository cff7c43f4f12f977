/**
 * Who of a group of replicas does what: one small record, changed by whoever sees a reason to, by compare-and-swap. All of
 * it is pure; equal states and equal events give equal states, whoever computes them.
 *
 *     a slot:   free ──given──► owned ──asked for (`next`)──► owned, to be handed over ──released──► owned by `next`
 *                 ▲                │
 *                 └── left ────────┴── lost: given to another, and dirty until that one has fenced the last owner out
 *
 * A member is one life of one process: a name that is never used again. A slot moves only from a member that has said that
 * it is done (released, left), or that can say no more (lost).
 */

export interface Slot {
  /** Empty: nobody. */
  readonly owner: string;
  /** Who gets it once the owner hands it over. */
  readonly next?: string;
  /** The last owner vanished, and may have messages on their way. */
  readonly isDirty?: true;
}

export interface GroupState {
  /** In order of joining. */
  readonly members: readonly string[];
  readonly slots: Readonly<Record<string, Slot>>;
}

/** Publishes the watermark; never moved for balance. */
export const LEAD = 'lead';

export function emptyGroup(partitions: readonly string[]): GroupState {
  const slots = Object.fromEntries([LEAD, ...partitions].map((name) => [name, { owner: '' }]));
  return { members: [], slots };
}

export function join(state: GroupState, member: string): GroupState {
  if (state.members.includes(member)) return state;
  return balance({ ...state, members: [...state.members, member] });
}

/** The member has stopped, and everything that it sent has its answer. */
export function leave(state: GroupState, member: string): GroupState {
  return remove(state, member, (slot) => ({ owner: '', ...(slot.isDirty && { isDirty: true }) }));
}

/** The member's lease is over; what it sent last may still arrive. */
export function evict(state: GroupState, member: string): GroupState {
  return remove(state, member, () => ({ owner: '', isDirty: true }));
}

/** The owner is done with these slots, which others wait for. */
export function release(state: GroupState, member: string, names: readonly string[]): GroupState {
  return mapSlots(state, (slot, name) =>
    slot.owner === member && slot.next !== undefined && names.includes(name)
      ? { owner: slot.next, ...(slot.isDirty && { isDirty: true }) }
      : slot,
  );
}

/** The owner has fenced out the one before it. */
export function clean(state: GroupState, member: string, names: readonly string[]): GroupState {
  return mapSlots(state, (slot, name) => {
    if (slot.owner !== member || !names.includes(name)) return slot;
    return { owner: slot.owner, ...(slot.next !== undefined && { next: slot.next }) };
  });
}

export function slotsOf(state: GroupState, member: string): string[] {
  return Object.keys(state.slots).filter((name) => state.slots[name]?.owner === member);
}

function remove(state: GroupState, member: string, emptied: (slot: Slot) => Slot): GroupState {
  if (!state.members.includes(member)) return state;
  const members = state.members.filter((other) => other !== member);
  const slots = mapSlots(state, (slot) => {
    if (slot.owner === member) return emptied(slot);
    if (slot.next !== member) return slot;
    return { owner: slot.owner, ...(slot.isDirty && { isDirty: true }) };
  }).slots;
  return balance({ members, slots });
}

/**
 * Gives free slots away and asks for others, so that members differ by one slot at most when all is handed over, with as
 * few moves as that takes.
 */
function balance(state: GroupState): GroupState {
  if (state.members.length === 0) return state;
  const slots: Record<string, Slot> = { ...state.slots };
  const partitions = Object.keys(slots).filter((name) => name !== LEAD);
  const holder = (slot: Slot | undefined): string => slot?.next ?? slot?.owner ?? '';
  const held = new Map(
    state.members.map((member) => [member, partitions.filter((name) => holder(slots[name]) === member)]),
  );
  const least = (): string => [...held].reduce((a, b) => (b[1].length < a[1].length ? b : a))[0];
  const give = (name: string, member: string): void => {
    slots[name] = { ...slots[name], owner: member };
    held.get(member)?.push(name);
  };
  for (const name of partitions) if (slots[name]?.owner === '') give(name, least());
  if (slots[LEAD]?.owner === '') slots[LEAD] = { ...slots[LEAD], owner: least() };
  for (;;) {
    const most = [...held].reduce((a, b) => (b[1].length > a[1].length ? b : a));
    const to = least();
    const name = most[1].at(-1);
    if (name === undefined || most[1].length - (held.get(to)?.length ?? 0) < 2) return { ...state, slots };
    most[1].pop();
    held.get(to)?.push(name);
    slots[name] = moved(slots[name], to);
  }
}

/** Back to its owner before it was handed over: then there is nothing to hand over. */
function moved(slot: Slot | undefined, to: string): Slot {
  const { owner = '', isDirty } = slot ?? {};
  return { owner, ...(owner !== to && { next: to }), ...(isDirty && { isDirty }) };
}

function mapSlots(state: GroupState, map: (slot: Slot, name: string) => Slot): GroupState {
  const slots = Object.fromEntries(Object.entries(state.slots).map(([name, slot]) => [name, map(slot, name)]));
  return { ...state, slots };
}
