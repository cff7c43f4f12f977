/** One rule of nft's JSON → a rule of the graph. */
import {
  entryOf,
  fieldOf,
  type Json,
  keyTexts,
  listOf,
  type NftTable,
  textOf,
  valueText,
  withPrefix,
} from './nft-objects.ts';
import { nftRuleText } from './nft-rule-text.ts';
import { type Action, type Condition, type Packet, type Rule, type Target, targetOf } from './rule-graph.ts';

/** Every ruleset that is read has one chain of this name, which marks packets for masquerading and does nothing else. */
const MARK_CHAIN = 'mark-for-masquerade';

export interface NftRuleContext {
  readonly table: NftTable;
  /** Elements of a map of endpoints by their number, for a key without it. */
  readonly targetsAt: (map: string, key: string) => ReadonlyMap<number, Target> | undefined;
  /** Told of each element that a packet can come to. */
  readonly onUse: (target: Target) => void;
}

export function parseNftRule(expr: readonly Json[], context: NftRuleContext): Rule {
  const conditions: Condition[] = [];
  const actions: Action[] = [];
  for (const statement of expr) {
    const [name, content] = entryOf(statement);
    if (name === 'match') conditions.push(...conditionsOf(content, context.table));
    else actions.push(actionOf(name, content, context));
  }
  return { conditions, actions, text: nftRuleText(expr) };
}

function conditionsOf(match: Json, table: NftTable): Condition[] {
  const [left, right] = [fieldOf(match, 'left'), fieldOf(match, 'right')];
  const isNegated = fieldOf(match, 'op') === '!=';
  const [name, content] = entryOf(left);
  if (name === 'payload') return [payloadCondition(content, right, isNegated, table)];
  if (name === 'concat') return [{ on: 'known-client', seconds: undefined }];
  if (name === 'numgen') return [chanceOf(content, right)];
  if (name === 'meta' && fieldOf(content, 'key') === 'l4proto' && !isNegated) {
    return [{ on: 'destination', protocol: textOf(right) }];
  }
  if (name === 'fib') return [fibCondition(content, right, isNegated)];
  if (name === 'meta' && /^[io]ifname$/.test(textOf(fieldOf(content, 'key')))) {
    return [{ on: 'source', sources: [`interface ${valueText(right)}`], isNegated }];
  }
  // Service rules look at new connections only, as does a trace.
  return name === 'ct' && fieldOf(content, 'key') === 'state' && right === 'new' ? [] : [{ on: 'unknown' }];
}

function payloadCondition(content: Json, right: Json | undefined, isNegated: boolean, table: NftTable): Condition {
  const field = fieldOf(content, 'field');
  if (field === 'dport' && !isNegated) return { on: 'destination', port: Number(textOf(right)) };
  if (field === 'daddr' && !isNegated) return { on: 'destination', address: valueText(right) };
  if (field !== 'saddr') return { on: 'unknown' };
  const set = /^@(.+)/.exec(textOf(right))?.[1];
  if (set !== undefined) {
    const container = table.containers.get(set);
    if (container?.timeout !== undefined) return { on: 'known-client', seconds: container.timeout };
    return { on: 'source', sources: (container?.elements ?? []).map(({ key }) => withPrefix(key[0] ?? '')), isNegated };
  }
  const values = addressesOf(right);
  const [first] = values;
  const isHost = typeof right === 'string' && !isNegated;
  return isHost && first !== undefined
    ? { on: 'source-host', address: first }
    : { on: 'source', sources: values, isNegated };
}

/** Of an address, a CIDR, or an anonymous set of them. */
export function addressesOf(value: Json | undefined): string[] {
  const set = fieldOf(value, 'set');
  return (set === undefined ? [value ?? null] : listOf(set)).map(valueText);
}

function chanceOf(numgen: Json, right: Json | undefined): Condition {
  const [mod, below] = [Number(textOf(fieldOf(numgen, 'mod'))), Number(textOf(right))];
  return mod > 0 && below >= 0 ? { on: 'chance', probability: Math.min(1, below / mod) } : { on: 'unknown' };
}

function fibCondition(content: Json, right: Json | undefined, isNegated: boolean): Condition {
  const flags = listOf(fieldOf(content, 'flags')).map(textOf);
  const isLocalSource = flags.length === 1 && flags[0] === 'saddr' && right === 'local';
  return isLocalSource ? { on: 'source-node', isNegated } : { on: 'unknown' };
}

function actionOf(name: string, content: Json, context: NftRuleContext): Action {
  switch (name) {
    case 'jump':
    case 'goto': {
      const chain = textOf(fieldOf(content, 'target'));
      return chain === MARK_CHAIN && name === 'jump' ? { do: 'mark' } : { do: name, chain };
    }
    case 'vmap':
      return chosenChains(content);
    case 'dnat':
      return dnatOf(content, context);
    case 'set':
      return rememberOf(content, context.table);
    case 'return':
      return { do: 'return' };
    case 'accept':
    case 'drop':
    case 'reject':
      return { do: 'end' };
    case 'counter':
      return { do: 'nothing' };
    default:
      return { do: 'unknown' };
  }
}

/** kube-proxy's choice of an endpoint: `numgen random mod 2 vmap { 0 : goto …, 1 : goto … }`. */
function chosenChains(content: Json): Action {
  const numgen = fieldOf(fieldOf(content, 'key'), 'numgen');
  const count = Number(textOf(fieldOf(numgen, 'mod')));
  const entries = listOf(fieldOf(fieldOf(content, 'data'), 'set'));
  if (numgen === undefined || !(count > 0)) return { do: 'unknown' };
  const byNumber = new Map(
    entries.map((entry) => [textOf(listOf(entry)[0]), textOf(fieldOf(entryOf(listOf(entry)[1])[1], 'target'))]),
  );
  return { do: 'choose-chain', chains: Array.from({ length: count }, (_, number) => byNumber.get(String(number))) };
}

function dnatOf(content: Json, { targetsAt, onUse }: NftRuleContext): Action {
  const address = fieldOf(content, 'addr');
  const map = fieldOf(address, 'map');
  if (map === undefined) {
    const target = targetOf(textOf(address), Number(textOf(fieldOf(content, 'port'))));
    return { do: 'choose-target', targetsFor: () => [target] };
  }
  const key = fieldOf(map, 'key');
  const parts = fieldOf(key, 'concat') === undefined ? [key] : listOf(fieldOf(key, 'concat'));
  const numgen = fieldOf(parts.at(-1), 'numgen');
  const count = Number(textOf(fieldOf(numgen, 'mod')));
  const offset = Number(textOf(fieldOf(numgen, 'offset')));
  const name = /^@(.+)/.exec(textOf(fieldOf(map, 'data')))?.[1];
  if (!(count > 0)) return { do: 'unknown' };
  if (name === undefined) return anonymousTargets(listOf(fieldOf(fieldOf(map, 'data'), 'set')), count);
  const protocol = textOf(fieldOf(fieldOf(parts.at(-2), 'payload'), 'protocol'));
  const isByAddress = parts.length === 3;
  return {
    do: 'choose-target',
    targetsFor: (packet: Packet) => {
      // A rule reads the port of one protocol, and is passed over by packets of the others.
      if (packet.protocol !== protocol) return [];
      const prefix = isByAddress ? `${packet.address} ${packet.port}` : `${packet.port}`;
      const byNumber = targetsAt(name, prefix);
      return Array.from({ length: count }, (_, number) => {
        const target = byNumber?.get(offset + number);
        if (target !== undefined) onUse(target);
        return target;
      });
    },
  };
}

function anonymousTargets(entries: readonly Json[], count: number): Action {
  const byNumber = new Map(entries.map((entry) => [textOf(listOf(entry)[0]), elementTarget(listOf(entry)[1])]));
  const targets = Array.from({ length: count }, (_, number) => byNumber.get(String(number)));
  return { do: 'choose-target', targetsFor: () => targets };
}

/** `address . port`. */
export function elementTarget(value: Json | undefined): Target | undefined {
  const [address, port] = keyTexts(value ?? null);
  return address === undefined || port === undefined ? undefined : targetOf(address, Number(port));
}

function rememberOf(content: Json, table: NftTable): Action {
  const timeout = fieldOf(fieldOf(fieldOf(content, 'elem'), 'elem'), 'timeout');
  const set = textOf(fieldOf(content, 'set')).slice(1);
  if (fieldOf(content, 'op') !== 'update' && fieldOf(content, 'op') !== 'add') return { do: 'unknown' };
  return {
    do: 'remember-client',
    seconds: typeof timeout === 'number' ? timeout : table.containers.get(set)?.timeout,
  };
}
