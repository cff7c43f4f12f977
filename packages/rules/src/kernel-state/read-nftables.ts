/** The tables of Signalbox and of kube-proxy's nftables mode, as `nft -j list table` gives them → what the kernel does. */
import { compareText, type Family } from '../addresses.ts';
import {
  ANY_NODE_ADDRESS,
  type Frontend,
  frontendKey,
  type KernelOwner,
  type KernelState,
  type Route,
  type Source,
  type StrayPart,
  sourcesOf,
} from './kernel-state.ts';
import { entryOf, fieldOf, type NftElement, type NftTable, parseNftTable, textOf, withPrefix } from './nft-objects.ts';
import { addressesOf, elementTarget, parseNftRule } from './nft-rule.ts';
import { NODE_SETS } from './nft-text-structure.ts';
import { type Action, type Rule, type RuleGraph, type Target, traceRoute } from './rule-graph.ts';

export interface ReadOptions {
  readonly family: Family;
  /** Of `podSourcesOf`. */
  readonly podSources: readonly Source[];
}

/** Names of one owner's objects, where they differ. */
interface Layout {
  readonly table: string;
  readonly serviceVerdicts: string;
  readonly nodePortVerdicts: string;
}

const NFT_LAYOUTS: Readonly<Record<KernelOwner, Layout>> = {
  signalbox: { table: 'signalbox', serviceVerdicts: 'service-verdicts', nodePortVerdicts: 'nodeport-verdicts' },
  'kube-proxy': {
    table: 'kube-proxy',
    serviceVerdicts: 'no-endpoint-services',
    nodePortVerdicts: 'no-endpoint-nodeports',
  },
};

/** Chains that a service's traffic goes through; all others are the same for every set of services. */
const SERVICE_CHAIN =
  /^(internal|external|nodeport|endpoints|local-endpoints|nodeport-endpoints|local-nodeport-endpoints|sticky|service|local|endpoint|firewall)-/;
const FIXED_CHAIN = /^service-endpoints-check$|^firewall-check$/;
const ENDPOINT_MAPS = ['tcp', 'udp', 'sctp'].flatMap((protocol) => [
  `endpoints-${protocol}`,
  `nodeport-endpoints-${protocol}`,
]);

/** `text` is the output of `nft -j list table ip signalbox` (or `ip6`, or `kube-proxy`); empty when there is no such table. */
export function readNftables(text: string, owner: KernelOwner, options: ReadOptions): KernelState {
  const { family } = options;
  const table = parseNftTable(text, family === 'IPv4' ? 'ip' : 'ip6', NFT_LAYOUTS[owner].table);
  return new NftablesReader(table, owner, options).read();
}

class NftablesReader {
  readonly #table: NftTable;
  readonly #owner: KernelOwner;
  readonly #options: ReadOptions;
  readonly #graph: RuleGraph;
  /** Map and key without the number → number → endpoint. */
  readonly #targets = new Map<string, Map<number, Target>>();
  readonly #usedTargets = new Set<Target>();
  readonly #usedChains = new Set<string>();
  readonly #hairpins: ReadonlySet<string>;

  constructor(table: NftTable, owner: KernelOwner, options: ReadOptions) {
    this.#table = table;
    this.#owner = owner;
    this.#options = options;
    for (const map of ENDPOINT_MAPS) {
      for (const element of this.#elements(map)) this.#addTarget(map, element);
    }
    this.#hairpins = new Set(this.#elements('hairpin').map(({ key }) => key[0] ?? ''));
    this.#graph = {
      chains: this.#parseChains(),
      knownSources: new Set(options.podSources),
      isHairpin: (address) => this.#hairpins.has(address),
    };
  }

  read(): KernelState {
    const frontends = this.#frontends();
    return {
      family: this.#options.family,
      frontends,
      closedAddresses: new Map(this.#elements('cluster-ips').map(({ key }) => [key[0] ?? '', ''])),
      hairpins: this.#owner === 'signalbox' ? this.#hairpins : undefined,
      structure: this.#structure(),
      strays: [...this.#strayRules(), ...this.#strayElements(frontends)],
      unreadable: this.#table.unreadable,
    };
  }

  #addTarget(map: string, { key, value }: NftElement): void {
    const place = `${map} ${key.slice(0, -1).join(' ')}`;
    const byNumber = this.#targets.get(place) ?? new Map<number, Target>();
    this.#targets.set(place, byNumber);
    const target = elementTarget(value);
    if (target !== undefined) byNumber.set(Number(key.at(-1)), target);
  }

  #parseChains(): Map<string, Rule[]> {
    const context = {
      table: this.#table,
      targetsAt: (map: string, key: string) => this.#targets.get(`${map} ${key}`),
      onUse: (target: Target) => void this.#usedTargets.add(target),
    };
    return new Map(
      [...this.#table.chains].map(([name, { rules }]) => [name, rules.map(({ expr }) => parseNftRule(expr, context))]),
    );
  }

  #elements(container: string): readonly NftElement[] {
    return this.#table.containers.get(container)?.elements ?? [];
  }

  #frontends(): Map<string, Frontend> {
    const layout = NFT_LAYOUTS[this.#owner];
    const frontends = new Map<string, Frontend>();
    const sourceRanges = this.#sourceRanges();
    const add = (elements: readonly NftElement[], part: (element: NftElement, place: Place) => Partial<Frontend>) => {
      for (const element of elements) {
        const place = placeOf(element.key);
        const key = frontendKey(place.protocol, place.address, place.port);
        const known = frontends.get(key) ?? { ...NO_FRONTEND, sourceRanges: sourceRanges.get(key) };
        const service = known.service || this.#serviceOf(element);
        frontends.set(key, { ...known, service, ...part(element, place) });
      }
    };
    add([...this.#elements('service-ips'), ...this.#elements('service-nodeports')], ({ value }, place) => ({
      routes: this.#routes(textOf(fieldOf(entryOf(value)[1], 'target')), place),
    }));
    const verdicts = [...this.#elements(layout.serviceVerdicts), ...this.#elements(layout.nodePortVerdicts)];
    add(verdicts, ({ value }) => ({ verdict: entryOf(value)[0] === 'drop' ? 'drop' : 'reject' }));
    for (const [key, ranges] of sourceRanges) {
      if (!frontends.has(key)) frontends.set(key, { ...NO_FRONTEND, sourceRanges: ranges });
    }
    return frontends;
  }

  #routes(chain: string, place: Place): Map<Source, Route> {
    const routes = new Map<Source, Route>();
    this.#use(chain);
    for (const source of sourcesOf(this.#options.podSources)) {
      const route = traceRoute(this.#graph, chain, { ...place, source });
      if (route.endpoints.size === 0) continue;
      // Sources mostly reach the same endpoints: one map for all of them is half of the memory of a large state.
      const known = [...routes.values()].find(({ endpoints }) => areSame(endpoints, route.endpoints));
      routes.set(source, known === undefined ? route : { ...route, endpoints: known.endpoints });
    }
    return routes;
  }

  #use(chain: string): void {
    if (this.#usedChains.has(chain)) return;
    this.#usedChains.add(chain);
    const actions = (this.#graph.chains.get(chain) ?? []).flatMap((rule) => rule.actions);
    for (const next of actions.flatMap(chainsAfter)) this.#use(next);
  }

  /** By frontend: which sources may come. */
  #sourceRanges(): Map<string, readonly string[]> {
    const ranges = new Map<string, string[]>();
    const keyOf = ({ key }: NftElement): string => {
      const { protocol, address, port } = placeOf(key.slice(0, 3));
      return frontendKey(protocol, address, port);
    };
    for (const element of this.#elements('restricted-ips')) ranges.set(keyOf(element), []);
    for (const element of this.#elements('allowed-sources')) {
      ranges.get(keyOf(element))?.push(withPrefix(element.key[3] ?? ''));
    }
    for (const element of this.#elements('firewall-ips')) {
      const chain = textOf(fieldOf(entryOf(element.value)[1], 'target'));
      this.#use(chain);
      const rules = this.#table.chains.get(chain)?.rules ?? [];
      const right = rules.map(({ expr }) => fieldOf(fieldOf(expr[0], 'match'), 'right'));
      const cidrs = right.filter((one) => one !== undefined).flatMap(addressesOf);
      ranges.set(
        keyOf(element),
        cidrs.map((cidr) => withPrefix(cidr)),
      );
    }
    for (const one of ranges.values()) one.sort(compareText);
    return ranges;
  }

  /** Our elements say whose they are in a comment; kube-proxy's chains carry `namespace/name/protocol/port` in their names. */
  #serviceOf({ comment, value }: NftElement): string {
    if (comment !== '') return comment.split(' ', 1)[0] ?? '';
    const chain = textOf(fieldOf(entryOf(value)[1], 'target'));
    const [, namespace, name, port] = /^[a-z]+-[A-Z2-7]+-([^/]+)\/([^/]+)\/[a-z]+\/([^/]*)$/.exec(chain) ?? [];
    if (namespace === undefined) return '';
    return `${namespace}/${name}${port === '' ? '' : `:${port}`}`;
  }

  #structure(): Map<string, readonly string[]> {
    const structure = new Map<string, readonly string[]>();
    for (const [name, { hook }] of this.#table.chains) {
      const isOfServices = SERVICE_CHAIN.test(name) && !FIXED_CHAIN.test(name) && hook === undefined;
      if (isOfServices) continue;
      const rules = (this.#graph.chains.get(name) ?? []).map(({ text }) => text);
      // A chain without hook that nothing of ours leads to has no effect; without rules neither has a hooked one.
      structure.set(name, hook === undefined ? rules : [hook, ...rules]);
    }
    for (const set of NODE_SETS) {
      if (!this.#table.containers.has(set)) continue;
      const elements = this.#elements(set).map(({ key }) => withPrefix(key[0] ?? ''));
      structure.set(`@${set}`, elements.sort(compareText));
    }
    return structure;
  }

  #strayRules(): StrayPart[] {
    return [...this.#usedChains].flatMap((chain) =>
      (this.#graph.chains.get(chain) ?? [])
        .filter(({ conditions, actions }) => isNotUnderstood(conditions) || isForeign(actions))
        .filter(() => !chain.startsWith('firewall-'))
        .map(({ text }): StrayPart => ({ where: 'nat', at: `chain ${chain}`, text })),
    );
  }

  /** Elements that no rule leads to. They do nothing now, and something wrong when their numbers come into use. */
  #strayElements(frontends: ReadonlyMap<string, Frontend>): StrayPart[] {
    if (this.#owner !== 'signalbox') return [];
    const strays: StrayPart[] = [];
    for (const [place, byNumber] of this.#targets) {
      const [map = '', ...key] = place.split(' ');
      const [address = '', port = ''] = key.length === 1 ? [ANY_NODE_ADDRESS, ...key] : key;
      const frontend = frontendKey(map.slice(map.lastIndexOf('-') + 1), address, Number(port));
      for (const [number, target] of byNumber) {
        if (this.#usedTargets.has(target)) continue;
        const text = `${[...key, number].join(' . ')} : ${target.text}`;
        strays.push({ where: 'nat', at: `map ${map}`, text, frontend });
      }
    }
    for (const { key } of this.#elements('allowed-sources')) {
      const { protocol, address, port } = placeOf(key.slice(0, 3));
      const frontend = frontendKey(protocol, address, port);
      const isUsed = frontends.get(frontend)?.sourceRanges !== undefined;
      if (!isUsed) strays.push({ where: 'filter', at: 'set allowed-sources', text: key.join(' . '), frontend });
    }
    return strays;
  }
}

const NO_FRONTEND: Frontend = { service: '', routes: new Map(), verdict: undefined, sourceRanges: undefined };

function areSame(a: Route['endpoints'], b: Route['endpoints']): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([target, { share, isHairpinMasqueraded }]) => {
    const other = b.get(target);
    return other?.share === share && other.isHairpinMasqueraded === isHairpinMasqueraded;
  });
}

interface Place {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** `address . protocol . port`, or `protocol . port` of a node port. */
function placeOf(key: readonly string[]): Place {
  const [address = '', protocol = '', port = ''] = key.length === 2 ? [ANY_NODE_ADDRESS, ...key] : key;
  return { address, protocol, port: Number(port) };
}

function chainsAfter(action: Action): readonly string[] {
  if (action.do === 'jump' || action.do === 'goto') return [action.chain];
  return action.do === 'choose-chain' ? action.chains.filter((chain) => chain !== undefined) : [];
}

function isNotUnderstood(conditions: Rule['conditions']): boolean {
  return conditions.some(({ on }) => on === 'unknown');
}

/** Chains of services end in `goto` and `dnat`: verdicts of their own in them are somebody else's. */
function isForeign(actions: Rule['actions']): boolean {
  return actions.some((action) => action.do === 'unknown' || action.do === 'end' || action.do === 'return');
}
