/** What each backend makes of services: the programs to run for everything, and for a change. */
import { SignalboxError } from '@signalbox/contracts';
import type { Family } from './addresses.ts';
import { iptablesParts } from './iptables/iptables-parts.ts';
import { renderIptables } from './iptables/render-iptables.ts';
import { replaceIptables } from './iptables/replace-iptables.ts';
import { COUNTED_CHAINS } from './iptables/restore-text.ts';
import { updateIptables } from './iptables/update-iptables.ts';
import { countedContainers, ipvsParts, nodePortAddressesOf } from './ipvs/ipvs-parts.ts';
import { renderIpvs } from './ipvs/render-ipvs.ts';
import { updateIpvs } from './ipvs/update-ipvs.ts';
import type { IpvsScheduler } from './ipvs/virtual-servers.ts';
import type { FamilyParts, KernelParts, PartsDelta } from './kernel-parts.ts';
import { COUNTED_CONTAINERS, nftablesParts } from './nftables/nftables-parts.ts';
import { renderNftables, renderTable } from './nftables/render-nftables.ts';
import { sweepNftables } from './nftables/replace-nftables.ts';
import { StaleChains, updateNftables } from './nftables/update-nftables.ts';
import { type ContextOptions, contextOf } from './render-context.ts';
import type { ServiceRules } from './service-rules.ts';

export const RULES_BACKENDS = ['nftables', 'iptables', 'ipvs'] as const;
export type RulesBackend = (typeof RULES_BACKENDS)[number];

export interface RenderOptions extends ContextOptions {
  readonly backend: RulesBackend;
  /** iptables and IPVS text is of one family; nftables text of one or both. */
  readonly families: readonly Family[];
  /** How IPVS picks a real server; `rr` when absent, as in kube-proxy. */
  readonly ipvsScheduler?: IpvsScheduler;
}

/** One program to run, with `input` on its standard input. */
export interface RulesStep {
  readonly program: 'nft' | 'iptables-restore' | 'ip6tables-restore' | 'sh';
  readonly args: readonly string[];
  readonly input: string;
}

export interface FamilyDelta {
  readonly family: Family;
  readonly delta: PartsDelta;
}

/** A port of this package: one per backend, for one node. */
export interface RulesBackendState {
  countedContainers(family: Family): ReadonlySet<string>;
  /** See `DraftScope`. */
  nodePortAddresses(family: Family): readonly string[];
  partsOf(rules: ServiceRules, family: Family): KernelParts;
  /** Everything as one text. Throws `invalid` for several families where a text is of one. */
  render(families: readonly FamilyParts[]): string;
  /** In place of whatever an earlier run left. */
  replace(families: readonly FamilyParts[]): RulesStep[];
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
    nodePortAddresses: () => [],
    partsOf: (rules, family) => nftablesParts(rules, family, context),
    render: (families) => renderNftables(families, context),
    replace: (families) => {
      const tables = families.map((parts) => ({ family: parts.family, table: renderTable(parts, context) }));
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
    nodePortAddresses: () => [],
    partsOf: (rules, family) => iptablesParts(rules, family, context),
    render: (families) => renderIptables(onlyOrThrow(families), context),
    replace: (families) =>
      families.map((parts) => shell(replaceIptables(parts.family, renderIptables(parts, context)))),
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
    nodePortAddresses: (family) => nodePortAddressesOf(family, context),
    partsOf: (rules, family) => ipvsParts(rules, family, context),
    render: (families) => renderIpvs(onlyOrThrow(families), context),
    replace: (families) => families.map((parts) => shell(renderIpvs(parts, context))),
    update: (families) =>
      families.flatMap(({ family, delta }) => {
        const script = updateIpvs(family, delta);
        return script === '' ? [] : [shell(script)];
      }),
  };
}

function onlyOrThrow(families: readonly FamilyParts[]): FamilyParts {
  const [family, ...others] = families;
  if (family !== undefined && others.length === 0) return family;
  throw new SignalboxError('invalid', 'rules of this backend are of one family: pick IPv4 or IPv6');
}

function shell(input: string): RulesStep {
  return { program: 'sh', args: [], input };
}
