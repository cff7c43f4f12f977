/** Collects the content of one table, in whatever order rendering meets it, and writes it as one transaction. */
import { compareText } from '../addresses.ts';

/** One set or map: its name, what follows `add set|map … {`, and whether a reload empties it. */
export interface Container {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly definition: string;
  /** Affinity belongs to the kernel: a reload that emptied it would move every client to another endpoint. */
  readonly isKernelOwned?: boolean;
}

interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
  /** What follows the name in `add chain`. */
  readonly definition: string;
}

const SEPARATOR = ',\n  ';

export class TableBuilder {
  readonly #table: string;
  readonly #baseChains: Chain[] = [];
  readonly #chains = new Map<string, Chain>();
  readonly #containers = new Map<string, Container>();
  readonly #elements = new Map<string, string[]>();

  /** `table` is family and name, for example `ip signalbox`. */
  constructor(table: string) {
    this.#table = table;
  }

  /** Chains that every ruleset has; they are written first, in the order given. */
  addBaseChain(name: string, rules: readonly string[], definition = ''): void {
    this.#baseChains.push({ name, rules, definition });
  }

  addChain(chain: Chain): void {
    this.#chains.set(chain.name, chain);
  }

  addContainer(container: Container): void {
    this.#containers.set(container.name, container);
  }

  /** Of all chains, sets and maps. */
  names(): string[] {
    return [...this.#baseChains.map(({ name }) => name), ...this.#chains.keys(), ...this.#containers.keys()];
  }

  addElement(container: string, element: string): void {
    const elements = this.#elements.get(container);
    if (elements === undefined) this.#elements.set(container, [element]);
    else elements.push(element);
  }

  /** Joined at once: with 100,000 endpoints, what rendering costs is the garbage collection of their strings. */
  addElements(container: string, elements: readonly string[]): void {
    if (elements.length > 0) this.addElement(container, elements.join(SEPARATOR));
  }

  /**
   * Chains are declared before the rules that go to them and containers before the rules that read them. Loading the text
   * over itself changes nothing: rules are flushed, and containers made again, before they are filled.
   */
  toText(): string {
    const lines = [`add table ${this.#table}`, `flush table ${this.#table}`];
    const chains = [...this.#baseChains, ...sortByName(this.#chains)];
    for (const { name, definition } of chains) lines.push(`add chain ${this.#table} ${name}${definition}`);
    for (const container of this.#containers.values()) lines.push(...this.#containerLines(container));
    for (const { name, rules } of chains) {
      for (const rule of rules) lines.push(`add rule ${this.#table} ${name} ${rule}`);
    }
    for (const name of this.#containers.keys()) lines.push(...this.#elementLines(name));
    return `${lines.join('\n')}\n`;
  }

  /** Made again rather than flushed: filling a set in the transaction that flushes it takes the kernel several times as long. */
  #containerLines({ kind, name, definition, isKernelOwned }: Container): string[] {
    const add = `add ${kind} ${this.#table} ${name} { ${definition} ; }`;
    return isKernelOwned === true ? [add] : [add, `delete ${kind} ${this.#table} ${name}`, add];
  }

  #elementLines(container: string): string[] {
    const elements = this.#elements.get(container);
    if (elements === undefined) return [];
    return [`add element ${this.#table} ${container} {\n  ${elements.join(SEPARATOR)}\n}`];
  }
}

function sortByName(chains: ReadonlyMap<string, Chain>): Chain[] {
  return [...chains.values()].sort((a, b) => compareText(a.name, b.name));
}
