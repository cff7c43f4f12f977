/** What a ruleset without services holds, read from the text that is rendered for `nft -f`. */
import { compareText, type Family } from '../addresses.ts';
import { withPrefix } from './nft-objects.ts';

/** Chain → its hook, where it has one, and its rules; set → its elements. In the spelling that listings are brought to. */
export function nftablesStructure(text: string, family: Family): Map<string, readonly string[]> {
  const table = family === 'IPv4' ? 'ip signalbox' : 'ip6 signalbox';
  const pattern = new RegExp(`^add (\\w+) ${table} (\\S+) ?(.*)$`);
  const structure = new Map<string, string[]>();
  for (const command of commandsOf(text)) {
    const [, object = '', name = '', rest = ''] = pattern.exec(command) ?? [];
    addPart(structure, object, { name, rest });
  }
  for (const [name, lines] of structure) if (name.startsWith('@')) lines.sort(compareText);
  return structure;
}

function addPart(
  structure: Map<string, string[]>,
  object: string,
  { name, rest }: { readonly name: string; readonly rest: string },
): void {
  if (object === 'chain') structure.set(name, hookOf(rest));
  else if (object === 'rule') structure.get(name)?.push(rest);
  else if (object === 'set' && NODE_SETS.has(name)) structure.set(`@${name}`, []);
  else if (object === 'element') structure.get(`@${name}`)?.push(...elementsOf(rest));
}

/** What the node itself brings in. */
export const NODE_SETS: ReadonlySet<string> = new Set(['cluster-cidrs', 'service-cidrs', 'nodeport-ips']);

/** Elements are written on lines of their own. */
function commandsOf(text: string): string[] {
  return text.replaceAll(/\n {2}|\n\}/g, ' ').split('\n');
}

function hookOf(definition: string): string[] {
  const hook = definition.replaceAll(/[{};]/g, ' ').trim().replaceAll(/ +/g, ' ');
  return hook === '' ? [] : [hook];
}

function elementsOf(braced: string): string[] {
  return braced
    .replaceAll(/[{}]/g, '')
    .split(',')
    .map((element) => withPrefix(element.trim()));
}
