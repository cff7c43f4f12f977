/** What changed in one family's table → the commands that change it, one a line, to be run as one transaction. */
import { compareText, type Family } from '../addresses.ts';
import type { PartsDelta, ServiceChain, SharedEntry } from '../kernel-parts.ts';
import { FAMILY_SYNTAX, TABLE } from './base-table.ts';
import { elementText, textsByContainer } from './nftables-parts.ts';

/**
 * Chains that nothing leads to any more are emptied here and deleted by a later update: kernels before 6.2 let go of a
 * chain only a moment after the map element that led to it, and until then refuse the whole transaction ("busy").
 */
export class StaleChains {
  /** Chain to the count of the update that emptied it. */
  readonly #since = new Map<string, number>();
  #updates = 0;

  get size(): number {
    return this.#since.size;
  }

  /** Notes what this update does, and gives the chains to delete with it: all in a quiet update, else only a surplus. */
  next({ newChains, removedChains }: PartsDelta, isQuiet: boolean): string[] {
    this.#updates += 1;
    for (const { name } of newChains) this.#since.delete(name);
    const kept = isQuiet ? 0 : STALE_CHAINS_MAX;
    const old = [...this.#since].filter(([, since]) => isQuiet || since + UPDATES_BEFORE_DELETION < this.#updates);
    const surplus = Math.max(0, this.#since.size - kept);
    const deleted = old.slice(0, surplus).map(([name]) => name);
    for (const name of deleted) this.#since.delete(name);
    for (const { name } of removedChains) this.#since.set(name, this.#updates);
    return deleted;
  }
}

const STALE_CHAINS_MAX = 64;
const UPDATES_BEFORE_DELETION = 16;

/** Empty for no change. No element list spans lines, so that lines can also be joined with `;` for `nft -i`. */
export function updateNftables(family: Family, delta: PartsDelta, deletedChains: readonly string[]): string {
  const table = `${FAMILY_SYNTAX[family].ip} ${TABLE}`;
  const { newChains, changedChains, removedChains, addedEntries, removedEntries } = delta;
  const lines = [
    ...newChains.map(({ name, definition }) => `add chain ${table} ${name}${definition}`),
    ...changedChains.map(({ name }) => `flush chain ${table} ${name}`),
    ...[...newChains, ...changedChains].flatMap((chain) => ruleLines(table, chain)),
    ...elementLines(`delete element ${table}`, removedEntries, ({ key }) => key),
    ...elementLines(`add element ${table}`, addedEntries, elementText),
    ...removedChains.map(({ name }) => `flush chain ${table} ${name}`),
    ...deletedChains.map((name) => `delete chain ${table} ${name}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function ruleLines(table: string, { name, rules }: ServiceChain): string[] {
  return rules.map((rule) => `add rule ${table} ${name} ${rule}`);
}

function elementLines(
  command: string,
  entries: readonly SharedEntry[],
  textOf: (entry: SharedEntry) => string,
): string[] {
  const sorted = [...textsByContainer(entries, textOf)].sort(([a], [b]) => compareText(a, b));
  return sorted.map(([container, texts]) => `${command} ${container} { ${texts.join(', ')} }`);
}
