/** Who may ask which zone. */
import type { BlockList } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';
import { addressRanges, isIn } from './address-ranges.ts';

/** Decisions remembered: a look into the list costs more than an answer. */
const MAX_REMEMBERED = 4096;

/**
 * From a list of `RANGE` (for every zone without an own list) and `ZONE=RANGE`. With an empty list everybody may ask
 * everything; with lists for some zones only, everybody may ask the others. Throws `invalid` for what is neither.
 */
export class QueryAcl {
  readonly #lists: ReadonlyMap<string, BlockList>;
  /** By list, so that no text has to be made of zone and client. */
  readonly #remembered = new Map<BlockList, Map<string, boolean>>();

  constructor(entries: readonly string[]) {
    const ranges = new Map<string, string[]>();
    for (const entry of entries) {
      const [zone, range] = entry.includes('=') ? splitEntry(entry) : ['', entry];
      ranges.set(zone, [...(ranges.get(zone) ?? []), range]);
    }
    this.#lists = new Map([...ranges].map(([zone, own]) => [zone, addressRanges(own, 'questions from')]));
  }

  /** Everybody may ask everything. */
  get isOpen(): boolean {
    return this.#lists.size === 0;
  }

  allows(zone: string, peer: string): boolean {
    if (this.isOpen) return true;
    const list = this.#lists.get(zone) ?? this.#lists.get('');
    if (list === undefined) return true;
    const remembered = this.#remembered.get(list) ?? new Map<string, boolean>();
    const known = remembered.get(peer);
    if (known !== undefined) return known;
    const isAllowed = isIn(list, peer);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    this.#remembered.set(list, remembered.set(peer, isAllowed));
    return isAllowed;
  }
}

function splitEntry(entry: string): [zone: string, range: string] {
  const [zone = '', range = '', ...rest] = entry.split('=');
  if (!/^[\w.-]+$/.test(zone) || rest.length > 0) {
    throw new SignalboxError('invalid', `questions allowed by ${JSON.stringify(entry)}: not ZONE=RANGE`);
  }
  const name = zone.toLowerCase();
  return [name.endsWith('.') ? name : `${name}.`, range];
}
