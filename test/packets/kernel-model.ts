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
    if (kind === 'element') changeElements(placeOf(contents, place), verb, elementsOf(rest));
    else if (kind === 'rule') placeOf(contents, place).add(`${placeOf(contents, place).size} ${rest}`);
    else if (verb === 'flush' && kind !== 'table') placeOf(contents, place).clear();
    else if (verb === 'add' && kind !== 'table') contents.set(place, contents.get(place) ?? new Set());
    else if (verb === 'delete') deleteChain(contents, place, `${family} `, `goto ${name}`);
  }
}

function deleteChain(contents: Contents, place: string, neighbours: string, jump: string): void {
  const others = [...contents].filter(([name]) => name.startsWith(neighbours)).flatMap(([, items]) => [...items]);
  if (others.some((item) => item.endsWith(jump))) throw new Error(`${place} is busy`);
  if (placeOf(contents, place).size > 0) throw new Error(`${place} has rules`);
  contents.delete(place);
}

function elementsOf(text: string): string[] {
  return text.slice(1, -1).trim().split(', ');
}

function changeElements(items: Set<string>, verb: string, elements: readonly string[]): void {
  for (const element of elements) changeElement(items, verb, element);
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
    const place = `${family} ${table} ${chain}`;
    const rule = words.join(' ');
    if (command.startsWith('*')) table = command.slice(1);
    else if (command.startsWith(':')) contents.set(`${family} ${table} ${command.slice(1)}`, new Set());
    else if (command === '-X') deleteChain(contents, place, `${family} ${table} `, `-j ${chain}`);
    else if (command === '-A' || command === '-I') addRule(contents, place, rule);
    else if (command === '-D' && !placeOf(contents, place).delete(rule)) throw new Error(`${rule} is not in ${place}`);
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

const IPVS_COMMANDS: readonly RegExp[] = [
  /^addr (?<verb>add|del) (?<key>\S+)/,
  /^(?<verb>add|del) (?<key>\S+ \S+)$/,
  /^(?<verb>-[AED]) (?<key>(?:-t|-u|--sctp-service) \S+)(?<value>.*)/,
  /^(?<verb>-[aed]) (?<key>(?:-t|-u|--sctp-service) \S+ -r \S+)(?<value>.*)/,
];

function runIpvs(contents: Contents, script: string): void {
  const items = contents.get('ipvs') ?? new Set();
  contents.set('ipvs', items);
  for (const line of script.split('\n')) {
    const { verb = '', key = '', value = '' } = IPVS_COMMANDS.find((one) => one.test(line))?.exec(line)?.groups ?? {};
    if (verb !== '') changeIpvs(items, verb, key, `${key} : ${value}`);
  }
}

function changeIpvs(items: Set<string>, verb: string, key: string, text: string): void {
  const known = [...items].find((item) => item.startsWith(`${key} : `));
  const isNew = ['add', '-a', '-A'].includes(verb);
  if (isNew === (known !== undefined)) throw new Error(`cannot ${verb} ${text}: there is ${known ?? 'nothing'}`);
  if (known !== undefined) items.delete(known);
  if (isNew || verb.toLowerCase() === '-e') items.add(text);
  const isEmpty = ![...items].some((item) => item.startsWith(`${key} -r `));
  if (verb === '-D' && !isEmpty) throw new Error(`${key} has real servers`);
}

function placeOf(contents: Contents, name: string): Set<string> {
  const items = contents.get(name);
  if (items === undefined) throw new Error(`there is no ${name}`);
  return items;
}
