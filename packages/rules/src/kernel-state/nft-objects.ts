/** The JSON of `nft -j list table` (libnftables-json(5)) as far as it is read: any part may be missing or of another shape. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface NftRule {
  readonly expr: readonly Json[];
}

export interface NftChain {
  /** For example `type nat hook prerouting priority -100 policy accept`; undefined for a chain without a hook. */
  readonly hook: string | undefined;
  readonly comment: string;
  readonly rules: NftRule[];
}

export interface NftElement {
  /** Parts of the key: addresses, protocols, numbers and CIDRs as text. */
  readonly key: readonly string[];
  /** Data of a map's element. */
  readonly value: Json | undefined;
  readonly comment: string;
}

export interface NftContainer {
  readonly elements: readonly NftElement[];
  /** Seconds. */
  readonly timeout: number | undefined;
}

export interface NftTable {
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly containers: ReadonlyMap<string, NftContainer>;
  readonly unreadable: number;
}

/** Throws SyntaxError for text that is no JSON; whatever is JSON but not as expected is counted. Empty text: no table. */
export function parseNftTable(text: string, family: 'ip' | 'ip6', name: string): NftTable {
  const table = { chains: new Map<string, NftChain>(), containers: new Map<string, NftContainer>() };
  const document = text.trim() === '' ? null : (JSON.parse(text) as Json);
  const objects = listOf(fieldOf(document, 'nftables'))
    .map(entryOf)
    .filter(([kind, object]) => {
      if (kind === 'metainfo' || kind === 'table') return false;
      return fieldOf(object, 'family') === family && fieldOf(object, 'table') === name;
    });
  const unread = objects.filter(([kind, object]) => !addObject(table, kind, object));
  return { ...table, unreadable: unread.length };
}

interface TableParts {
  readonly chains: Map<string, NftChain>;
  readonly containers: Map<string, NftContainer>;
}

/** False for what is of no known kind, or has no place. */
function addObject({ chains, containers }: TableParts, kind: string, object: Json): boolean {
  const name = textOf(fieldOf(object, 'name'));
  if (kind === 'chain') chains.set(name, chainOf(object));
  else if (kind === 'set' || kind === 'map') containers.set(name, containerOf(object));
  else return kind === 'rule' && addRule(chains, object);
  return true;
}

function addRule(chains: ReadonlyMap<string, NftChain>, object: Json): boolean {
  const chain = chains.get(textOf(fieldOf(object, 'chain')));
  chain?.rules.push({ expr: listOf(fieldOf(object, 'expr')) });
  return chain !== undefined;
}

function chainOf(object: Json): NftChain {
  const [type, hook, priority, policy] = ['type', 'hook', 'prio', 'policy'].map((name) => fieldOf(object, name));
  const isHooked = typeof hook === 'string';
  return {
    hook: isHooked
      ? `type ${textOf(type)} hook ${hook} priority ${textOf(priority)} policy ${textOf(policy)}`
      : undefined,
    comment: textOf(fieldOf(object, 'comment')),
    rules: [],
  };
}

function containerOf(object: Json): NftContainer {
  const timeout = fieldOf(object, 'timeout');
  return {
    elements: listOf(fieldOf(object, 'elem')).map(elementOf),
    timeout: typeof timeout === 'number' ? timeout : undefined,
  };
}

/** A set's element is its key, a map's the pair of key and value; a comment wraps the key. */
function elementOf(item: Json): NftElement {
  const [wrapped, value] = Array.isArray(item) ? [item[0] ?? null, item[1]] : [item, undefined];
  const inner = fieldOf(wrapped, 'elem');
  const key = inner === undefined ? wrapped : (fieldOf(inner, 'val') ?? null);
  return { key: keyTexts(key), value, comment: textOf(fieldOf(inner, 'comment')) };
}

export function keyTexts(key: Json): string[] {
  const parts = fieldOf(key, 'concat');
  return (parts === undefined ? [key] : listOf(parts)).map(valueText);
}

/** An address, CIDR, number or word as text. */
export function valueText(value: Json | undefined): string {
  const prefix = fieldOf(value, 'prefix');
  if (prefix !== undefined) return `${textOf(fieldOf(prefix, 'addr'))}/${textOf(fieldOf(prefix, 'len'))}`;
  const range = listOf(fieldOf(value, 'range'));
  return range.length === 2 ? range.map(textOf).join('-') : textOf(value);
}

/** Sets list a CIDR of full length as an address. */
export function withPrefix(text: string): string {
  return text.includes('/') || text.includes('-') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
}

/** The name and the content of an object with one field, which is how every statement and expression is written. */
export function entryOf(value: Json | undefined): readonly [name: string, content: Json] {
  if (typeof value === 'string') return [value, null];
  const [entry] = isObject(value) ? Object.entries(value) : [];
  return entry ?? ['', null];
}

export function fieldOf(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function textOf(value: Json | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
