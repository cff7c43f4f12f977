/** The target groups of the feed → proxies, with what this machine says of listeners. Compiles a group once. */
import { networkInterfaces } from 'node:os';
import type { TargetGroup } from '@signalbox/contracts';
import { groupKey, type IndexedSet } from '@signalbox/kit';
import {
  type BindAddresses,
  type CompiledProxies,
  compileProxies,
  type WantedGroup,
} from './config/compile-proxies.ts';
import { type CompiledProxy, compileProxy, type ProxyDefaults } from './config/compile-proxy.ts';
import { listenerText } from './config/proxy.ts';
import { proxyName } from './config/proxy-name.ts';
import { probeListeners } from './listener-probe.ts';

export interface WantedProxiesOptions {
  readonly defaults: ProxyDefaults;
  readonly bind: BindAddresses;
  readonly portOffset: number;
  /** Who listens where, by the configuration on disk. */
  readonly incumbents: ReadonlyMap<string, string>;
}

export class WantedProxies {
  readonly #options: WantedProxiesOptions;
  readonly #compiled = new WeakMap<TargetGroup, CompiledProxy>();
  #incumbents: ReadonlyMap<string, string>;
  #current: CompiledProxies = { proxies: new Map(), notes: new Map() };

  constructor(options: WantedProxiesOptions) {
    this.#options = options;
    this.#incumbents = options.incumbents;
  }

  /** As compiled last. */
  get current(): CompiledProxies {
    return this.#current;
  }

  /** `isRunning`: HAProxy holds the listeners of those who have them; else those are looked at as well. */
  async compile(sets: Iterable<IndexedSet>, isRunning: boolean): Promise<CompiledProxies> {
    const wanted = this.#groupsOf(sets);
    const { bind, portOffset } = this.#options;
    const settings = { bind, portOffset, localAddresses: localAddresses(), incumbents: this.#incumbents };
    const all = compileProxies(wanted, { ...settings, taken: new Map() });
    const listeners = [...all.proxies.values()].flatMap((proxy) => proxy.listeners);
    const unknown = isRunning
      ? listeners.filter((listener) => !this.#incumbents.has(listenerText(listener)))
      : listeners;
    const taken = await probeListeners(unknown);
    this.#current = taken.size === 0 ? all : compileProxies(wanted, { ...settings, taken });
    return this.#current;
  }

  /** HAProxy listens for these now. */
  noteRunning({ proxies }: CompiledProxies): void {
    this.#incumbents = new Map(
      [...proxies.values()].flatMap(({ name, listeners }) =>
        listeners.map((listener) => [listenerText(listener), name]),
      ),
    );
  }

  #groupsOf(sets: Iterable<IndexedSet>): WantedGroup[] {
    const wanted: WantedGroup[] = [];
    for (const { key, set } of sets) {
      for (const group of set.groups) {
        const proxyKey = groupKey(key, group);
        wanted.push({ name: proxyName(proxyKey), group, compiled: this.#compile(proxyKey, group) });
      }
    }
    return wanted;
  }

  #compile(key: ReturnType<typeof groupKey>, group: TargetGroup): CompiledProxy {
    const known = this.#compiled.get(group);
    if (known !== undefined) return known;
    const compiled = compileProxy(key, group, this.#options.defaults);
    this.#compiled.set(group, compiled);
    return compiled;
  }
}

function localAddresses(): Set<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address)),
  );
}
