/** Collects chains and rules of the filter and nat tables and writes them for `iptables-restore --noflush`. */
import type { KernelParts } from '../kernel-parts.ts';

export type TableName = 'filter' | 'nat';

/** A health check port is one per service, however many of its service ports ask for it in the same words. */
export const COUNTED_CHAINS: ReadonlySet<string> = new Set(['filter KUBE-NODEPORTS']);

/** Chains that services' own chains jump to, so they are made before. */
const MARK_CHAINS: ReadonlySet<string> = new Set(['KUBE-MARK-MASQ', 'KUBE-MARK-REMOTE']);

/**
 * The time that iptables-nft-restore takes for one transaction grows with the square of its chains: measured with ten
 * endpoints a service, 7 s for 1,000 services at once, and 1 s in tenths.
 */
const CHAINS_AT_ONCE = 1_000;

/**
 *     nat     chains that mark, and the first services' own chains     nothing leads to them yet
 *     nat     further services' own chains, some at a time
 *     filter  all of it
 *     nat     base chains, and what leads to services
 *
 * Each is one transaction. A service's chains are in one of them, and are replaced at once.
 */
export class RestoreText {
  readonly #chains: Record<TableName, Map<string, string[]>> = { filter: new Map(), nat: new Map() };
  readonly #batches: ServiceChains[] = [];
  readonly #counted = new Set<string>();
  readonly #jumps: Record<TableName, string[]> = { filter: [], nat: [] };

  /** Declaring a chain empties it in the kernel; a chain that is declared twice is kept. */
  addChain(table: TableName, chain: string): void {
    if (!this.#chains[table].has(chain)) this.#chains[table].set(chain, []);
  }

  addRule(table: TableName, chain: string, ...parts: readonly string[]): void {
    this.addChain(table, chain);
    this.#chains[table].get(chain)?.push(parts.filter((part) => part !== '').join(' '));
  }

  /** A service's own chains are of the table nat, all of them. */
  addParts({ entries, chains }: KernelParts): void {
    for (const { container, key } of entries) {
      if (COUNTED_CHAINS.has(container) && this.#counted.has(key)) continue;
      if (COUNTED_CHAINS.has(container)) this.#counted.add(key);
      this.addRule(...tableAndChain(container), key);
    }
    const batch = this.#batchWithRoom();
    for (const { name, rules } of chains.values()) {
      const [, chain] = tableAndChain(name);
      batch.declarations.push(`:${chain} - [0:0]`);
      for (const rule of rules) batch.rules.push(`-A ${chain} ${rule}`);
    }
  }

  /** A rule at the top of one of the kernel's own chains, which are never emptied. */
  addJump(table: TableName, hook: string, rule: string): void {
    this.#jumps[table].push(`-I ${hook} ${rule}`);
  }

  toText(header: readonly string[]): string {
    const marks = linesOf(this.#chains.nat, (chain) => MARK_CHAINS.has(chain));
    const [first = NO_CHAINS, ...others] = this.#batches;
    const lines = [
      ...header.map((line) => `# ${line}`),
      ...block('nat', [...marks.declarations, ...first.declarations, ...marks.rules, ...first.rules]),
      ...others.flatMap(({ declarations, rules }) => block('nat', [...declarations, ...rules])),
      ...this.#baseBlock('filter'),
      ...this.#baseBlock('nat'),
    ];
    return `${lines.join('\n')}\n`;
  }

  #baseBlock(table: TableName): string[] {
    const { declarations, rules } = linesOf(this.#chains[table], (chain) => !MARK_CHAINS.has(chain));
    return block(table, [...declarations, ...this.#jumps[table], ...rules]);
  }

  #batchWithRoom(): ServiceChains {
    const last = this.#batches.at(-1);
    if (last !== undefined && last.declarations.length < CHAINS_AT_ONCE) return last;
    const next: ServiceChains = { declarations: [], rules: [] };
    this.#batches.push(next);
    return next;
  }
}

interface ServiceChains {
  readonly declarations: string[];
  readonly rules: string[];
}

const NO_CHAINS: ServiceChains = { declarations: [], rules: [] };

function linesOf(chains: ReadonlyMap<string, readonly string[]>, isWanted: (chain: string) => boolean): ServiceChains {
  const wanted = [...chains].filter(([chain]) => isWanted(chain));
  return {
    declarations: wanted.map(([chain]) => `:${chain} - [0:0]`),
    rules: wanted.flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
  };
}

function block(table: TableName, lines: readonly string[]): string[] {
  return [`*${table}`, ...lines, 'COMMIT'];
}

/** `nat KUBE-SERVICES` → its two names. */
export function tableAndChain(name: string): [table: TableName, chain: string] {
  const [table, chain = ''] = name.split(' ');
  return [table === 'nat' ? 'nat' : 'filter', chain];
}

/** Text of comments is made of fixed words and labels, which hold nothing that would need escaping. */
export function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}
