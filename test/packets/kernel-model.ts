/**
 * Kernels in memory that read what `nft`, `iptables-restore` and a shell read, and refuse what they refuse: what is
 * deleted must be there, what is made must not be there already, and a chain that something leads to stays.
 */
import type { RulesStep } from '@signalbox/rules';

/** Table or kind, then name, then content: equal contents mean equal rules. */
export type Contents = Map<string, Set<string>>;

export function runStep(contents: Contents, { program, input }: RulesStep): void {
  if (program === 'nft') runNft(contents, input);
  else if (program !== 'sh') runRestore(contents, program, input);
  else if (input.includes('ipvsadm') || input.includes('ipset')) runIpvs(contents, input);
  else if (input.includes('-restore --noflush')) runReplacement(contents, input);
  // What is left is the sweep of nftables, which finds nothing in a new kernel.
}

/** In one form, whatever the order in which it was made; chains without rules are told by their name alone. */
export function listed(contents: Contents): string[] {
  return [...contents].flatMap(([name, items]) => [name, ...[...items].map((item) => `${name}: ${item}`)]).sort();
}

function runNft(contents: Contents, input: string): void {
  for (const line of input.replaceAll('\n  ', ' ').replaceAll('\n}', ' }').split('\n')) {
    const [verb = '', kind = '', family = '', , name = '', ...words] = line.split(' ');
    const place = `${family} ${name}`;
    const rest = words.join(' ');
    if (verb === 'add' && ['chain', 'set', 'map'].includes(kind)) contents.set(place, contents.get(place) ?? new Set());
    if (verb === 'flush' && kind !== 'table') contents.get(place)?.clear();
    if (verb === 'add' && kind === 'rule') placeOf(contents, place).add(`${placeOf(contents, place).size} ${rest}`);
    if (kind === 'element')
      for (const element of elementsOf(rest)) changeElement(placeOf(contents, place), verb, element);
    if (verb === 'delete' && kind === 'chain') {
      const isUsed = [...contents].some(([other, items]) =>
        other.startsWith(`${family} `) ? [...items].some((item) => item.endsWith(`goto ${name}`)) : false,
      );
      if (isUsed || placeOf(contents, place).size > 0) throw new Error(`${name} is busy`);
      contents.delete(place);
    }
  }
}

function elementsOf(text: string): string[] {
  return text.slice(1, -1).trim().split(', ');
}

function changeElement(items: Set<string>, verb: string, element: string): void {
  const keyOf = (text: string): string => text.split(/ comment | : /)[0] ?? '';
  const known = [...items].find((item) => keyOf(item) === keyOf(element));
  if (verb === 'add') {
    if (known !== undefined) throw new Error(`${element} is there already, as ${known}`);
    items.add(element);
  } else if (known === undefined) throw new Error(`${element} is not there`);
  else items.delete(known);
}

function runRestore(contents: Contents, program: string, input: string): void {
  const family = program.startsWith('ip6') ? 'ip6' : 'ip';
  let table = '';
  for (const line of input.split('\n')) {
    const [command = '', chain = '', ...words] = line.split(' ');
    const placeOfChain = `${family} ${table} ${command.startsWith(':') ? command.slice(1) : chain}`;
    const rule = words.join(' ');
    if (command.startsWith('*')) table = command.slice(1);
    else if (command.startsWith(':')) contents.set(placeOfChain, new Set());
    else if (command === '-X') {
      const isUsed = [...contents.values()].some((items) => [...items].some((item) => item.endsWith(`-j ${chain}`)));
      if (isUsed || placeOf(contents, placeOfChain).size > 0) throw new Error(`${chain} is busy`);
      contents.delete(placeOfChain);
    } else if (command === '-D') {
      if (!placeOf(contents, placeOfChain).delete(rule)) throw new Error(`no rule ${rule} in ${chain}`);
    } else if (command === '-A' || command === '-I') addRule(contents, placeOfChain, rule);
  }
}

/** The order counts in a service's chain, not in those that all services share. */
function addRule(contents: Contents, place: string, rule: string): void {
  const isOwn = /KUBE-(SVC|SVL|SEP|EXT|FW)-/.test(place);
  const items = contents.get(place) ?? new Set();
  contents.set(place, items);
  const text = isOwn ? `${items.size} ${rule}` : rule;
  if (items.has(text)) throw new Error(`${rule} is in ${place} already`);
  items.add(text);
}

/** Only that of an empty kernel. */
function runReplacement(contents: Contents, script: string): void {
  const program = script.includes('ip6tables-save') ? 'ip6tables-restore' : 'iptables-restore';
  runRestore(contents, program, script.split('SIGNALBOX_WANTED\n')[1]?.split('\nSIGNALBOX_END')[0] ?? '');
}

const IPVS_COMMANDS: readonly (readonly [pattern: RegExp, container: (words: string[]) => string])[] = [
  [/^addr (add|del) (\S+)()/, () => 'addresses'],
  [/^(add|del) \S+ (\S+)()/, ([, set = '']) => set],
  [/^(-[AED]) ((?:-t|-u|--sctp-service) \S+)(.*)/, () => 'servers'],
  [/^(-[aed]) ((?:-t|-u|--sctp-service) \S+ -r \S+)(.*)/, () => 'servers'],
];

function runIpvs(contents: Contents, script: string): void {
  for (const line of script.split('\n')) {
    if (line.startsWith('swap ')) swapSets(contents, line);
    const [pattern, container] = IPVS_COMMANDS.find(([pattern]) => pattern.test(line)) ?? [];
    const [, verb = '', key = '', value = ''] = pattern?.exec(line) ?? [];
    if (container === undefined || verb === '') continue;
    const isSet = verb === 'add' || verb === 'del';
    const place = `${container(line.split(' '))} of ${key.includes('[') || key.includes('::') ? 'IPv6' : 'IPv4'}`;
    const items = contents.get(place) ?? new Set();
    contents.set(place, items);
    const known = [...items].find((item) => item.split(' : ')[0] === key);
    const isNew = verb === 'add' || verb === '-A' || verb === '-a';
    const isDuplicate = isNew && known !== undefined && !(isSet && line.startsWith('add '));
    if (isDuplicate || (!isNew && known === undefined))
      throw new Error(`cannot do ${line}: ${known ?? 'nothing there'}`);
    if (known !== undefined) items.delete(known);
    if (isNew || verb.toLowerCase() === '-e') items.add(`${key} : ${value}`);
    if (verb === '-D' && [...items].some((item) => item.startsWith(`${key} -r`))) throw new Error(`${line}: not empty`);
  }
}

/** The set that was filled takes the place of the other, which is destroyed next. */
function swapSets(contents: Contents, line: string): void {
  const [, next = '', set = ''] = line.split(' ');
  for (const family of ['IPv4', 'IPv6']) {
    const filled = contents.get(`${next} of ${family}`);
    contents.delete(`${next} of ${family}`);
    if (filled !== undefined) contents.set(`${set} of ${family}`, filled);
  }
}

function placeOf(contents: Contents, name: string): Set<string> {
  const items = contents.get(name);
  if (items === undefined) throw new Error(`there is no ${name}`);
  return items;
}
