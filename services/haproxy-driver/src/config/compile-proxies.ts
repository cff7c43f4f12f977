/**
 * All target groups of a class → proxies with their listeners, and why some have none. Pure; the order of input does not
 * matter. Where two groups want one listener, the one that has it keeps it, else the first by name gets it: a Service
 * that comes later can take nothing away.
 */
import { isIP } from 'node:net';
import type { TargetGroup } from '@signalbox/contracts';
import type { CompiledProxy } from './compile-proxy.ts';
import { type LbProxy, type Listener, listenerText } from './proxy.ts';

/** Where groups are listened for: at those of their addresses that this machine has, at all of them, or at these. */
export type BindAddresses = 'local' | 'any' | readonly string[];

export interface ListenerSettings {
  readonly bind: BindAddresses;
  /** Added to the port of each group. */
  readonly portOffset: number;
  readonly localAddresses: ReadonlySet<string>;
  /** Who listens there now: listener text → proxy name. */
  readonly incumbents: ReadonlyMap<string, string>;
  /** Listeners that cannot be had, and why. */
  readonly taken: ReadonlyMap<string, string>;
}

export interface WantedGroup {
  /** Of the proxy. */
  readonly name: string;
  readonly group: TargetGroup;
  readonly compiled: CompiledProxy;
}

export interface CompiledProxies {
  /** By name, in order. */
  readonly proxies: ReadonlyMap<string, LbProxy>;
  /** By proxy name: what cannot be done of a group, for people. */
  readonly notes: ReadonlyMap<string, string>;
}

export function compileProxies(wanted: readonly WantedGroup[], settings: ListenerSettings): CompiledProxies {
  const proxies = new Map<string, LbProxy>();
  const notes = new Map<string, string>();
  const owners = new Map<string, string>();
  for (const { name, group, compiled } of inOrder(wanted, settings)) {
    if (compiled.type === 'refused') {
      notes.set(name, compiled.reason);
      continue;
    }
    const { listeners, reason } = listenersOf(group, settings);
    const obstacle = reason ?? obstacleOf(listeners, { name, owners, taken: settings.taken });
    if (obstacle !== undefined) {
      notes.set(name, obstacle);
      continue;
    }
    for (const listener of listeners) owners.set(listenerText(listener), name);
    proxies.set(name, { ...compiled.proxy, listeners });
    if (compiled.leftOut.length > 0) notes.set(name, `left out: ${compiled.leftOut.slice(0, 10).join('; ')}`);
  }
  return { proxies: new Map([...proxies].sort(([a], [b]) => (a < b ? -1 : 1))), notes };
}

/** Those who listen already come first. */
function inOrder(wanted: readonly WantedGroup[], settings: ListenerSettings): WantedGroup[] {
  const incumbents = new Set(settings.incumbents.values());
  const rank = ({ name }: WantedGroup): string => `${incumbents.has(name) ? 0 : 1} ${name}`;
  return [...wanted].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function listenersOf(
  { addresses, port }: TargetGroup,
  { bind, portOffset, localAddresses }: ListenerSettings,
): { readonly listeners: readonly Listener[]; readonly reason?: string } {
  const at = port + portOffset;
  if (at > 65_535) return { listeners: [], reason: `port ${port} with ${portOffset} added is none` };
  const own = addresses.filter((address) => isIP(address) !== 0 && !address.includes('%'));
  const used = typeof bind === 'string' ? own : bind;
  if (used.length === 0) return { listeners: [], reason: 'no address is allocated yet' };
  const bound = bind === 'local' ? used.filter((address) => localAddresses.has(address)) : used;
  if (bound.length === 0) return { listeners: [], reason: `this machine has none of the addresses ${own.join(', ')}` };
  return { listeners: [...new Set(bound)].sort().map((address) => ({ address, port: at })) };
}

function obstacleOf(
  listeners: readonly Listener[],
  { name, owners, taken }: { name: string; owners: ReadonlyMap<string, string>; taken: ReadonlyMap<string, string> },
): string | undefined {
  for (const text of listeners.map(listenerText)) {
    const owner = owners.get(text);
    if (owner !== undefined && owner !== name) return `${text} belongs to ${owner}`;
    const reason = taken.get(text);
    if (reason !== undefined) return `${text} cannot be listened on: ${reason}`;
  }
  return undefined;
}
