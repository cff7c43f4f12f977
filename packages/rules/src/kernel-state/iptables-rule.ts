/** One line of `iptables-save`, or of what is given to `iptables-restore`, by meaning. */
import { ANY_NODE_ADDRESS } from './kernel-state.ts';
import { type Action, type Condition, type Rule, targetOf } from './rule-graph.ts';

export interface IptablesRule extends Rule {
  readonly chain: string;
  readonly comment: string;
  /** What follows `-j` or `-g`. */
  readonly target: string;
  readonly source: string | undefined;
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly isNegated: boolean;
}

const MARK_CHAIN = 'KUBE-MARK-MASQ';

/** Undefined for a line that is not `-A` (or `-I`) and a chain. */
export function parseIptablesRule(line: string): IptablesRule | undefined {
  const [command, chain, ...words] = wordsOf(line);
  if ((command !== '-A' && command !== '-I') || chain === undefined) return undefined;
  const options = optionsOf(words);
  const optionText = (name: string): string => options.find((option) => option.name === name)?.value ?? '';
  return {
    chain,
    comment: optionText('--comment'),
    target: optionText('-j') || optionText('-g'),
    source: options.find(({ name, isNegated }) => name === '-s' && !isNegated)?.value,
    conditions: options.flatMap(conditionsOf),
    actions: actionsOf(options, optionText),
    text: textOf(options),
  };
}

/** Words between spaces; those in double quotes may hold spaces, and quotes behind a backslash. */
function wordsOf(line: string): string[] {
  const words = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  return words.map((word) => (word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word));
}

/** Options with what follows them up to the next one. Which extension an option belongs to (`-m`) says nothing more. */
function optionsOf(words: readonly string[]): Option[] {
  const options: Option[] = [];
  let isNegated = false;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '!') {
      isNegated = true;
      continue;
    }
    const values: string[] = [];
    // A comment is one word, whatever it begins with.
    if (word === '--comment') values.push(words[++index] ?? '');
    else while (isValue(words[index + 1])) values.push(words[++index] ?? '');
    if (word !== '-m') options.push(normalised(word, values.join(' '), isNegated));
    isNegated = false;
  }
  return options;
}

function isValue(word: string | undefined): boolean {
  return word !== undefined && word !== '!' && !/^--?[a-zA-Z]/.test(word);
}

/** One spelling for what can be written in two. */
function normalised(name: string, value: string, isNegated: boolean): Option {
  if (name === '-s' || name === '-d') {
    return { name, value: value.replace(/^([^/:]+)\/32$|^([^/]*:[^/]*)\/128$/, '$1$2'), isNegated };
  }
  if (name === '--or-mark') return { name: '--set-xmark', value: `${value}/${value}`, isNegated };
  if (name === '--xor-mark') return { name: '--set-xmark', value: `${value}/0x0`, isNegated };
  return { name, value, isNegated };
}

/** What iptables-save adds, although it is what the rule does anyway. */
const DEFAULTS: ReadonlySet<string> = new Set([
  '--reject-with icmp-port-unreachable',
  '--reject-with icmp6-port-unreachable',
]);

function textOf(options: readonly Option[]): string {
  const texts = options
    .filter(({ name }) => name !== '--comment')
    .map(({ name, value, isNegated }) => `${isNegated ? '! ' : ''}${name}${value === '' ? '' : ` ${value}`}`);
  return texts
    .filter((text) => !DEFAULTS.has(text))
    .sort()
    .join(' ');
}

/** Options that say something of the way a match or target works, not of the packet. */
const WITHOUT_CONDITION: ReadonlySet<string> = new Set(
  '-j -g --comment --mode --seconds --reap --name --set --mask --rsource --to-destination --reject-with --set-xmark --random-fully --nfacct-name'.split(
    ' ',
  ),
);

const UNKNOWN: Condition = { on: 'unknown' };

const CONDITIONS: Readonly<Record<string, (option: Option, all: readonly Option[]) => Condition | undefined>> = {
  '-s': ({ value, isNegated }) =>
    value.includes('/') || isNegated
      ? { on: 'source', sources: [value], isNegated }
      : { on: 'source-host', address: value },
  '-i': ({ value, isNegated }) => ({
    on: 'source',
    sources: [`interface ${value.replace(/\+$/, '*')}`],
    isNegated,
  }),
  '-d': ({ value, isNegated }) => (isNegated ? UNKNOWN : { on: 'destination', address: value }),
  '-p': ({ value, isNegated }) => (isNegated ? UNKNOWN : { on: 'destination', protocol: value }),
  '--dport': ({ value, isNegated }) => (isNegated ? UNKNOWN : { on: 'destination', port: Number(value) }),
  '--src-type': ({ value, isNegated }) => (value === 'LOCAL' ? { on: 'source-node', isNegated } : UNKNOWN),
  '--dst-type': ({ value, isNegated }) =>
    value === 'LOCAL' && !isNegated ? { on: 'destination', address: ANY_NODE_ADDRESS } : UNKNOWN,
  '--rcheck': (_option, all) => {
    const seconds = Number(all.find(({ name }) => name === '--seconds')?.value) || undefined;
    return { on: 'known-client', seconds };
  },
  '--probability': ({ value }) => ({ on: 'chance', probability: Number(value) }),
  // Service rules look at new connections only, as does a trace.
  '--ctstate': ({ value, isNegated }) => (value === 'NEW' && !isNegated ? undefined : UNKNOWN),
};

function conditionsOf(option: Option, _index: number, all: readonly Option[]): Condition[] {
  const condition = CONDITIONS[option.name]?.(option, all);
  if (condition !== undefined) return [condition];
  return option.name in CONDITIONS || WITHOUT_CONDITION.has(option.name) ? [] : [UNKNOWN];
}

function actionsOf(options: readonly Option[], optionText: (name: string) => string): Action[] {
  const remember: Action[] = options.some(({ name }) => name === '--set')
    ? [{ do: 'remember-client', seconds: undefined }]
    : [];
  const target = optionText('-j') || optionText('-g');
  return [...remember, actionOf(target, options.some(({ name }) => name === '-g') ? 'goto' : 'jump', optionText)];
}

function actionOf(target: string, how: 'jump' | 'goto', optionText: (name: string) => string): Action {
  if (target === '') return { do: 'nothing' };
  if (target === MARK_CHAIN) return { do: 'mark' };
  if (target === 'RETURN') return { do: 'return' };
  if (/^(ACCEPT|DROP|REJECT)$/.test(target)) return { do: 'end' };
  if (target !== 'DNAT') return target.startsWith('KUBE-') ? { do: how, chain: target } : { do: 'unknown' };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(optionText('--to-destination')) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined) return { do: 'unknown' };
  const targets = [targetOf(address, Number(port))];
  return { do: 'choose-target', targetsFor: () => targets };
}
