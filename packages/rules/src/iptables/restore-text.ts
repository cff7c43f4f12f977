/** Collects chains and rules of the filter and nat tables and writes them for `iptables-restore --noflush`. */
import type { KernelParts } from '../kernel-parts.ts';

export type TableName = 'filter' | 'nat';

/** A health check port is one per service, however many of its service ports ask for it in the same words. */
export const COUNTED_CHAINS: ReadonlySet<string> = new Set(['filter KUBE-NODEPORTS']);

export class RestoreText {
  readonly #chains: Record<TableName, Map<string, string[]>> = { filter: new Map(), nat: new Map() };
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

  addParts({ entries, chains }: KernelParts): void {
    for (const { container, key } of entries) {
      if (COUNTED_CHAINS.has(container) && this.#counted.has(key)) continue;
      if (COUNTED_CHAINS.has(container)) this.#counted.add(key);
      this.addRule(...tableAndChain(container), key);
    }
    for (const { name, rules } of chains.values()) {
      for (const rule of rules) this.addRule(...tableAndChain(name), rule);
    }
  }

  /** A rule at the top of one of the kernel's own chains, which are never emptied. */
  addJump(table: TableName, hook: string, rule: string): void {
    this.#jumps[table].push(`-I ${hook} ${rule}`);
  }

  toText(header: readonly string[]): string {
    const lines = header.map((line) => `# ${line}`);
    for (const table of ['filter', 'nat'] as const) {
      const chains = [...this.#chains[table]];
      lines.push(`*${table}`, ...chains.map(([chain]) => `:${chain} - [0:0]`), ...this.#jumps[table]);
      for (const [chain, rules] of chains) {
        for (const rule of rules) lines.push(`-A ${chain} ${rule}`);
      }
      lines.push('COMMIT');
    }
    return `${lines.join('\n')}\n`;
  }
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
