/** What the driver has programmed, and what HAProxy says of its servers → what is told of each target group. Pure. */
import { type ServiceKey, serviceKeyText, type TargetGroup, type TargetGroupReport } from '@signalbox/contracts';
import { type GroupStatus, groupKey, type IndexedSet } from '@signalbox/kit';
import type { CompiledProxies } from './config/compile-proxies.ts';
import { serverPlace } from './config/compile-proxy.ts';
import { proxyName } from './config/proxy-name.ts';
import type { ServersState } from './runtime/servers-state.ts';
import { type TargetHealth, targetHealth } from './runtime/target-health.ts';

/** Of the set of one Service. */
export interface ProgrammedSet {
  readonly index: number;
  readonly revision: number;
  readonly atMs: number;
}

/** Since when a target is what it is: `backend address port` → health. */
export type HealthMemory = ReadonlyMap<string, { readonly health: TargetHealth; readonly sinceMs: number }>;

export interface StatusInput {
  readonly sets: Iterable<IndexedSet>;
  readonly compiled: CompiledProxies;
  /** By service. */
  readonly programmed: ReadonlyMap<string, ProgrammedSet>;
  readonly states: ServersState;
  readonly checkDetails: ReadonlyMap<string, string>;
  readonly healthBefore: HealthMemory;
  /** Why the last round failed; empty: it did not. */
  readonly error: string;
  readonly nowMs: number;
}

type ReportedTarget = TargetGroupReport['targets'][number];

const MAX_TARGETS = 10_000;

export function compileStatuses(input: StatusInput): { groups: GroupStatus[]; health: HealthMemory } {
  const health = new Map<string, { health: TargetHealth; sinceMs: number }>();
  const groups: GroupStatus[] = [];
  for (const { key, set } of input.sets) {
    for (const group of set.groups) {
      const targets = targetsOf(key, group, input, health);
      groups.push({ key: groupKey(key, group), report: { ...progressOf(key, group, input), targets } });
    }
  }
  return { groups, health };
}

function progressOf(key: ServiceKey, group: TargetGroup, { compiled, programmed, error }: StatusInput) {
  const name = proxyName(groupKey(key, group));
  const note = compiled.notes.get(name) ?? '';
  const done = compiled.proxies.has(name) ? programmed.get(serviceKeyText(key)) : undefined;
  const { index, revision, atMs } = done ?? { index: 0, revision: 0, atMs: null };
  return { index, revision, programmedAtMs: atMs, error: [error, note].filter(Boolean).join('; ') };
}

function targetsOf(
  key: ServiceKey,
  group: TargetGroup,
  input: StatusInput,
  memory: Map<string, { health: TargetHealth; sinceMs: number }>,
): ReportedTarget[] {
  const name = proxyName(groupKey(key, group));
  const rise = input.compiled.proxies.get(name)?.check.rise ?? 1;
  const servers = new Map((input.states.get(name) ?? []).map((state) => [serverPlace(state), state]));
  const used = group.targets.filter(({ state }) => state === 'active' || state === 'draining').slice(0, MAX_TARGETS);
  return used.map((target): ReportedTarget => {
    const id = `${name} ${serverPlace(target)}`;
    const server = servers.get(serverPlace(target));
    const before = input.healthBefore.get(id);
    const health = server === undefined ? 'unknown' : targetHealth(server, rise, before?.health);
    const sinceMs = before?.health === health ? before.sinceMs : input.nowMs;
    memory.set(id, { health, sinceMs });
    const detail = health === 'unhealthy' && server && input.checkDetails.get(`${name}/${server.name}`);
    return { address: target.address, port: target.port, health, sinceMs, ...(detail ? { detail } : {}) };
  });
}
