/**
 * What `iptables-save` (or `ip6tables-save`) lists of KUBE-* chains → what the kernel does. Signalbox and kube-proxy use the
 * same chains. Only chains that kube-proxy's rules pass are looked at: kubelet and network plugins have others.
 */
import { compareText, type Family } from '../addresses.ts';
import { LOCALNET_CHAIN } from '../iptables/base-chains.ts';
import { type IptablesRule, parseIptablesRule } from './iptables-rule.ts';
import {
  ANY_NODE_ADDRESS,
  type Frontend,
  frontendKey,
  type KernelState,
  type Route,
  type Source,
  type StrayPart,
  sourcesOf,
} from './kernel-state.ts';
import { withPrefix } from './nft-objects.ts';
import type { ReadOptions } from './read-nftables.ts';
import { type Rule, type RuleGraph, traceRoute } from './rule-graph.ts';

type TableName = 'filter' | 'nat';
type Chains = ReadonlyMap<string, readonly IptablesRule[]>;

export interface IptablesTables {
  readonly filter: Chains;
  readonly nat: Chains;
  readonly unreadable: number;
}

const SERVICE_CHAIN = /^KUBE-(SVC|SVL|EXT|FW|SEP)-/;
/** What the kernel's own chains may lead to: other jumps there are nobody's business here. */
const JUMP_TARGETS: ReadonlySet<string> = new Set([
  'KUBE-EXTERNAL-SERVICES',
  'KUBE-NODEPORTS',
  'KUBE-SERVICES',
  'KUBE-FORWARD',
  'KUBE-PROXY-FIREWALL',
  'KUBE-POSTROUTING',
  'KUBE-IPVS-FILTER',
]);

export function readIptables(text: string, options: ReadOptions): KernelState {
  const tables = parseIptables(text);
  const reader = new IptablesReader(tables, options);
  return {
    family: options.family,
    frontends: reader.frontends(),
    closedAddresses: undefined,
    hairpins: undefined,
    structure: iptablesStructure(tables),
    strays: reader.strays(),
    unreadable: tables.unreadable,
  };
}

export function parseIptables(text: string): IptablesTables {
  const tables = { filter: new Map<string, IptablesRule[]>(), nat: new Map<string, IptablesRule[]>() };
  let table: TableName | undefined;
  let unreadable = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = TABLE_NAMES.get(line.slice(1).trim());
    else if (table !== undefined && line.startsWith(':')) addChain(tables[table], line.slice(1).split(' ', 1)[0] ?? '');
    else if (table !== undefined && line.startsWith('-')) {
      const rule = parseIptablesRule(line);
      if (rule === undefined) unreadable += 1;
      else addChain(tables[table], rule.chain).push(rule);
    }
  }
  return { ...tables, unreadable };
}

const TABLE_NAMES: ReadonlyMap<string, TableName> = new Map([
  ['filter', 'filter'],
  ['nat', 'nat'],
]);

function addChain(chains: Map<string, IptablesRule[]>, name: string): IptablesRule[] {
  const rules = chains.get(name) ?? [];
  chains.set(name, rules);
  return rules;
}

class IptablesReader {
  readonly #tables: IptablesTables;
  readonly #family: Family;
  readonly #sources: readonly Source[];
  readonly #graph: RuleGraph;
  readonly #used = new Set<string>();

  constructor(tables: IptablesTables, { family, podSources }: ReadOptions) {
    this.#tables = tables;
    this.#family = family;
    this.#sources = sourcesOf(podSources);
    this.#graph = { chains: withOpenFirewalls(tables.nat), knownSources: new Set(podSources) };
  }

  frontends(): Map<string, Frontend> {
    const frontends = new Map<string, Frontend>();
    const add = (rule: IptablesRule, partOf: (place: Place, known: Frontend) => Partial<Frontend>): void => {
      const place = placeOf(rule);
      if (place === undefined) return;
      const key = frontendKey(place.protocol, place.address, place.port);
      const known = frontends.get(key) ?? NO_FRONTEND;
      const service = known.service || (rule.comment.split(' ', 1)[0] ?? '');
      frontends.set(key, { ...known, service, ...partOf(place, known) });
    };
    const restricted = this.#rules('filter', 'KUBE-PROXY-FIREWALL').filter(({ target }) => target === 'DROP');
    for (const rule of restricted) add(rule, () => ({ sourceRanges: [] }));
    for (const rule of [...this.#rules('nat', 'KUBE-SERVICES'), ...this.#rules('nat', 'KUBE-NODEPORTS')]) {
      if (!SERVICE_CHAIN.test(rule.target)) continue;
      add(rule, (place, known) => ({
        ...(known.routes.size > 0 ? {} : { routes: this.#routes(rule.target, place) }),
        ...(known.sourceRanges === undefined ? {} : { sourceRanges: this.#rangesBehind(rule.target) }),
      }));
    }
    for (const rule of [
      ...this.#rules('filter', 'KUBE-SERVICES'),
      ...this.#rules('filter', 'KUBE-EXTERNAL-SERVICES'),
    ]) {
      const verdict = VERDICTS.get(rule.target);
      if (verdict !== undefined) add(rule, () => ({ verdict }));
    }
    return frontends;
  }

  strays(): StrayPart[] {
    return [...this.#used].flatMap((chain) =>
      this.#rules('nat', chain)
        .filter(isForeign)
        .map(({ text }): StrayPart => ({ where: 'nat', at: `chain ${chain}`, text })),
    );
  }

  #rules(table: TableName, chain: string): readonly IptablesRule[] {
    return this.#tables[table].get(chain) ?? [];
  }

  /** Undefined (everybody) when the service is reached past its firewall chain. */
  #rangesBehind(chain: string): string[] | undefined {
    if (!chain.startsWith('KUBE-FW-')) return undefined;
    // iptables leaves a source away that is everybody.
    const everybody = this.#family === 'IPv4' ? '0.0.0.0/0' : '::/0';
    const open = this.#rules('nat', chain).filter(({ target }) => target !== '');
    return open.map(({ source }) => withPrefix(source ?? everybody)).sort(compareText);
  }

  #routes(chain: string, place: Place): Map<Source, Route> {
    const routes = new Map<Source, Route>();
    this.#use(chain);
    for (const source of this.#sources) {
      const route = traceRoute(this.#graph, chain, { ...place, source });
      if (route.endpoints.size > 0) routes.set(source, route);
    }
    return routes;
  }

  #use(chain: string): void {
    if (this.#used.has(chain) || !SERVICE_CHAIN.test(chain)) return;
    this.#used.add(chain);
    for (const { target } of this.#rules('nat', chain)) this.#use(target);
  }
}

const NO_FRONTEND: Frontend = { service: '', routes: new Map(), verdict: undefined, sourceRanges: undefined };
const VERDICTS: ReadonlyMap<string, 'drop' | 'reject'> = new Map([
  ['DROP', 'drop'],
  ['REJECT', 'reject'],
]);

interface Place {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** Where a dispatching rule applies; undefined for a rule about anything else. */
function placeOf({ conditions }: IptablesRule): Place | undefined {
  let [protocol, address, port] = ['', ANY_NODE_ADDRESS, 0];
  for (const condition of conditions) {
    if (condition.on !== 'destination') continue;
    protocol = condition.protocol ?? protocol;
    // kube-proxy has a second rule per node port that counts what comes to a loopback address.
    if (condition.address !== undefined && !condition.address.includes('/')) address = condition.address;
    port = condition.port ?? port;
  }
  return protocol === '' || port === 0 ? undefined : { protocol, address, port };
}

/**
 * Sources that a firewall chain lets through all go the same way, so a trace takes the first that leads anywhere; which
 * sources those are is read apart.
 */
function withOpenFirewalls(nat: Chains): Map<string, readonly Rule[]> {
  const chains = new Map<string, readonly Rule[]>(nat);
  for (const [name, rules] of nat) {
    if (!name.startsWith('KUBE-FW-')) continue;
    const way = rules.find(({ target }) => SERVICE_CHAIN.test(target));
    chains.set(name, way === undefined ? [] : [{ ...way, conditions: [] }]);
  }
  return chains;
}

/** Every end of a service's chain is a DNAT: other verdicts in them are somebody else's. */
function isForeign({ conditions, actions }: Rule): boolean {
  const isForeignEnd = actions.some(
    (action) => action.do === 'unknown' || action.do === 'end' || action.do === 'return',
  );
  return isForeignEnd || conditions.some(({ on }) => on === 'unknown');
}

/** Rules that are the same for every set of services, but for health checks, by `table chain`. */
export function iptablesStructure(tables: IptablesTables): Map<string, readonly string[]> {
  const structure = new Map<string, readonly string[]>();
  for (const table of ['filter', 'nat'] as const) {
    for (const [chain, rules] of tables[table]) {
      // The kubelet writes to this one as well.
      if (SERVICE_CHAIN.test(chain) || chain === LOCALNET_CHAIN) continue;
      const isOurs = chain.startsWith('KUBE-');
      const kept = rules.filter((rule) => (isOurs ? !isOfService(rule, table) : JUMP_TARGETS.has(rule.target)));
      // Every load puts the jumps on top again, which changes nothing. Health checks come in any order.
      const texts = kept.map(({ text }) => text);
      const isOrdered = isOurs && chain !== 'KUBE-NODEPORTS';
      structure.set(`${table} ${chain}`, isOrdered ? texts : [...new Set(texts)].sort(compareText));
    }
  }
  return structure;
}

const VERDICT_CHAINS: ReadonlySet<string> = new Set(['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL']);

function isOfService(rule: IptablesRule, table: TableName): boolean {
  if (table === 'nat') return SERVICE_CHAIN.test(rule.target);
  return VERDICT_CHAINS.has(rule.chain) && VERDICTS.has(rule.target) && placeOf(rule) !== undefined;
}
