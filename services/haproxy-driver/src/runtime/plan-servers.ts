/**
 * The servers of one backend as they are, and as they are to be → commands. Pure.
 *
 * A backend has slots `s1` … `sN`. A target keeps the slot that points at it. A new one gets a slot in maintenance; when there
 * is none, slots are added so that their number doubles. What comes is made ready before what goes is taken out, so that a
 * backend whose targets are all replaced is never without one; both are of one batch, a fraction of a millisecond apart.
 *
 *   a slot is …       │ its target is active │ draining │ not wanted
 *   ──────────────────┼──────────────────────┼──────────┼────────────
 *   ready             │ –                    │ drain    │ maint
 *   drain             │ ready                │ –        │ maint
 *   maint             │ ready                │ drain    │ –
 *
 * Applying a plan and planning again gives none.
 */
import { serverPlace } from '../config/compile-proxy.ts';
import type { AdminState, DesiredServer } from '../config/proxy.ts';
import { NOWHERE } from '../config/render-config.ts';
import type { ServerState } from './servers-state.ts';

export type ServerCommand =
  | { readonly type: 'add'; readonly server: string }
  | { readonly type: 'enable-checks'; readonly server: string }
  | { readonly type: 'address'; readonly server: string; readonly address: string; readonly port: number }
  | { readonly type: 'check-port'; readonly server: string; readonly port: number }
  | { readonly type: 'weight'; readonly server: string; readonly weight: number }
  | { readonly type: 'admin'; readonly server: string; readonly admin: AdminState }
  | { readonly type: 'delete'; readonly server: string };

export interface PlanOptions {
  /** Whether surplus slots are deleted. HAProxy refuses that while they have connections, which is no failure. */
  readonly mayShrink?: boolean;
}

export interface ServerPlan {
  /** What comes, then what goes. */
  readonly commands: readonly ServerCommand[];
  /** Slots too many, after the commands. */
  readonly deletions: readonly ServerCommand[];
}

const MIN_SLOTS = 4;
/** Slots are deleted when there are more than this many times those wanted. */
const SURPLUS_FACTOR = 4;

export function planServers(
  current: readonly ServerState[],
  desired: readonly DesiredServer[],
  { mayShrink = false }: PlanOptions = {},
): ServerPlan {
  const held = slotsByPlace(current);
  const missing = desired.filter((server) => !held.has(serverPlace(server)));
  const wanted = new Set(desired.map(serverPlace));
  const free = freeSlots(current, (slot) => !wanted.has(serverPlace(slot)) || held.get(serverPlace(slot)) !== slot);
  const added = newSlots(current, missing.length - free.length);
  const slots = [...free, ...added];
  const coming = [
    ...added.map(({ name }): ServerCommand => ({ type: 'add', server: name })),
    ...desired.flatMap((server) => {
      const slot = held.get(serverPlace(server)) ?? slots.shift();
      return slot === undefined ? [] : changesOf(slot, server);
    }),
  ];
  const isGoing = (command: ServerCommand): boolean => command.type === 'admin' && command.admin !== 'ready';
  const going = current
    .filter(
      (slot) => slot.admin !== 'maint' && (!wanted.has(serverPlace(slot)) || held.get(serverPlace(slot)) !== slot),
    )
    .map(({ name }): ServerCommand => ({ type: 'admin', server: name, admin: 'maint' }));
  const commands = [...coming.filter((command) => !isGoing(command)), ...coming.filter(isGoing), ...going];
  return { commands, deletions: mayShrink && added.length === 0 ? surplus(current, slots, desired.length) : [] };
}

/** The fewest slots for so many servers: a power of two. */
export function slotCount(servers: number): number {
  let count = MIN_SLOTS;
  while (count < servers) count *= 2;
  return count;
}

/** Of two slots with the same place the one with traffic counts; the other one is surplus. */
function slotsByPlace(current: readonly ServerState[]): Map<string, ServerState> {
  const rank: Record<AdminState, number> = { ready: 0, drain: 1, maint: 2 };
  const byPlace = new Map<string, ServerState>();
  for (const slot of [...current].sort((a, b) => rank[a.admin] - rank[b.admin] || slotNumber(a) - slotNumber(b))) {
    if (!byPlace.has(serverPlace(slot))) byPlace.set(serverPlace(slot), slot);
  }
  byPlace.delete(serverPlace(NOWHERE));
  return byPlace;
}

/** Those never used, then those longest in maintenance: their old connections have had the most time to end. */
function freeSlots(current: readonly ServerState[], isUnused: (slot: ServerState) => boolean): ServerState[] {
  const isNew = (slot: ServerState): number => (serverPlace(slot) === serverPlace(NOWHERE) ? 0 : 1);
  return current
    .filter((slot) => slot.admin === 'maint' && isUnused(slot))
    .sort((a, b) => isNew(a) - isNew(b) || b.sinceSeconds - a.sinceSeconds || slotNumber(a) - slotNumber(b));
}

function newSlots(current: readonly ServerState[], needed: number): ServerState[] {
  if (needed <= 0) return [];
  const last = Math.max(0, ...current.map(slotNumber));
  const count = slotCount(current.length + needed) - current.length;
  return Array.from({ length: count }, (_, i) => ({
    name: `s${last + 1 + i}`,
    ...NOWHERE,
    checkPort: NOWHERE.port,
    weight: 1,
    admin: 'maint',
    isUp: false,
    checkHealth: 0,
    isChecked: false,
    sinceSeconds: 0,
  }));
}

function changesOf(slot: ServerState, server: DesiredServer): ServerCommand[] {
  const commands: ServerCommand[] = [];
  const add = (command: ServerCommand): void => void commands.push(command);
  const { address, port, checkPort, weight, admin } = server;
  if (serverPlace(slot) !== serverPlace(server)) add({ type: 'address', server: slot.name, address, port });
  if (slot.checkPort !== checkPort) add({ type: 'check-port', server: slot.name, port: checkPort });
  if (slot.weight !== weight) add({ type: 'weight', server: slot.name, weight });
  if (!slot.isChecked) add({ type: 'enable-checks', server: slot.name });
  if (slot.admin !== admin) add({ type: 'admin', server: slot.name, admin });
  return commands;
}

/** `free`: those that remain so. The newest go first, so that numbers stay low. */
function surplus(current: readonly ServerState[], free: readonly ServerState[], desired: number): ServerCommand[] {
  const keep = slotCount(desired);
  if (current.length <= keep * SURPLUS_FACTOR) return [];
  return [...free]
    .sort((a, b) => slotNumber(b) - slotNumber(a))
    .slice(0, current.length - keep)
    .map(({ name }) => ({ type: 'delete', server: name }));
}

function slotNumber({ name }: { readonly name: string }): number {
  const number = Number(name.slice(1));
  return Number.isInteger(number) ? number : 0;
}
