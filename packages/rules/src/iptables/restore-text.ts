/** Collects chains and rules of the filter and nat tables and writes them for `iptables-restore --noflush`. */
export type TableName = 'filter' | 'nat';

export class RestoreText {
  readonly #chains: Record<TableName, Map<string, string[]>> = { filter: new Map(), nat: new Map() };
  readonly #jumps: Record<TableName, string[]> = { filter: [], nat: [] };

  /** Declaring a chain empties it in the kernel; a chain that is declared twice is kept. */
  addChain(table: TableName, chain: string): void {
    if (!this.#chains[table].has(chain)) this.#chains[table].set(chain, []);
  }

  addRule(table: TableName, chain: string, ...parts: readonly string[]): void {
    this.addChain(table, chain);
    this.#chains[table].get(chain)?.push(parts.filter((part) => part !== '').join(' '));
  }

  hasRules(table: TableName, chain: string): boolean {
    return (this.#chains[table].get(chain) ?? []).length > 0;
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

/** Text of comments is made of fixed words and labels, which hold nothing that would need escaping. */
export function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}
