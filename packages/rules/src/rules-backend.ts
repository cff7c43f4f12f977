/** What each backend makes of services: the programs to run for everything, and for a change. */
import type { Family } from './addresses.ts';
import { iptablesParts } from './iptables/iptables-parts.ts';
import { renderIptables } from './iptables/render-iptables.ts';
import { replaceIptables } from './iptables/replace-iptables.ts';
import { COUNTED_CHAINS } from './iptables/restore-text.ts';
import { updateIptables } from './iptables/update-iptables.ts';
import { countedContainers, ipvsParts } from './ipvs/ipvs-parts.ts';
import { renderIpvs } from './ipvs/render-ipvs.ts';
import { updateIpvs } from './ipvs/update-ipvs.ts';
import type { KernelParts, PartsDelta } from './kernel-parts.ts';
import { COUNTED_CONTAINERS, nftablesParts } from './nftables/nftables-parts.ts';
import { renderTable } from './nftables/render-nftables.ts';
import { sweepNftables } from './nftables/replace-nftables.ts';
import { StaleChains, updateNftables } from './nftables/update-nftables.ts';
import { contextOf } from './render-context.ts';
import type { RenderOptions } from './render-rules.ts';
import type { ServiceRules } from './service-rules.ts';

/** One program to run, with `input` on its standard input. */
export interface RulesStep {
  readonly program: 'nft' | 'iptables-restore' | 'ip6tables-restore' | 'sh';
  readonly args: readonly string[];
  readonly input: string;
}

export interface FamilyServices {
  readonly family: Family;
  readonly services: readonly ServiceRules[];
}

export interface FamilyDelta {
  readonly family: Family;
  readonly delta: PartsDelta;
}

/** A port of this package: one per backend, for one node. */
export interface RulesBackendState {
  countedContainers(family: Family): ReadonlySet<string>;
  partsOf(rules: ServiceRules, family: Family): KernelParts;
  /** In place of whatever an earlier run left. */
  replace(families: readonly FamilyServices[]): RulesStep[];
  /** `isQuiet`: no service changed, so there is time for what was put off. */
  update(families: readonly FamilyDelta[], isQuiet: boolean): RulesStep[];
}

/** Throws `invalid` for options that cannot be followed. */
export function openBackend(options: RenderOptions): RulesBackendState {
  switch (options.backend) {
    case 'nftables':
      return nftablesBackend(options);
    case 'iptables':
      return iptablesBackend(options);
    case 'ipvs':
      return ipvsBackend(options);
  }
}

/** Both families in one transaction. */
function nftablesBackend(options: RenderOptions): RulesBackendState {
  const context = contextOf(options);
  const stale: Record<Family, StaleChains> = { IPv4: new StaleChains(), IPv6: new StaleChains() };
  const load = (input: string): RulesStep => ({ program: 'nft', args: ['-f', '-'], input });
  return {
    countedContainers: () => COUNTED_CONTAINERS,
    partsOf: (rules, family) => nftablesParts(rules, family, context),
    replace: (families) => {
      const tables = families.map((rules) => ({ family: rules.family, table: renderTable(rules, context) }));
      for (const { family } of tables) stale[family] = new StaleChains();
      const swept = tables.map(({ family, table }) => ({ family, names: table.names() }));
      return [load(tables.map(({ table }) => table.toText()).join('\n')), shell(sweepNftables(swept))];
    },
    update: (families, isQuiet) => {
      const texts = families.map(({ family, delta }) =>
        updateNftables(family, delta, stale[family].next(delta, isQuiet)),
      );
      const input = texts.join('');
      return input === '' ? [] : [load(input)];
    },
  };
}

function iptablesBackend(options: RenderOptions): RulesBackendState {
  const context = contextOf(options);
  return {
    countedContainers: () => COUNTED_CHAINS,
    partsOf: (rules, family) => iptablesParts(rules, family, context),
    replace: (families) =>
      families.map(({ family, services }) => shell(replaceIptables(family, renderIptables(family, services, context)))),
    update: (families) =>
      families.flatMap(({ family, delta }) => {
        const program = family === 'IPv4' ? 'iptables-restore' : 'ip6tables-restore';
        const input = updateIptables(delta);
        return input === '' ? [] : [{ program, args: ['--noflush'], input } as const];
      }),
  };
}

function ipvsBackend(options: RenderOptions): RulesBackendState {
  const context = { ...contextOf(options), scheduler: options.ipvsScheduler ?? 'rr' };
  return {
    countedContainers,
    partsOf: (rules, family) => ipvsParts(rules, family, context),
    replace: (families) => families.map(({ family, services }) => shell(renderIpvs(family, services, context))),
    update: (families) =>
      families.flatMap(({ family, delta }) => {
        const script = updateIpvs(family, delta);
        return script === '' ? [] : [shell(script)];
      }),
  };
}

function shell(input: string): RulesStep {
  return { program: 'sh', args: [], input };
}
