/** Who may have which zones. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { TsigKey } from '@signalbox/zones';
import { parseEntry, problem } from './settings.ts';

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1'];
const WHAT = 'zone transfers to';

interface Rule {
  readonly zone: string | undefined;
  /** Undefined: any address. */
  readonly clients: BlockList | undefined;
  /** Undefined: signed or not. */
  readonly key: TsigKey | undefined;
}

export interface TransferAsker {
  readonly zone: string;
  readonly peer: string;
  /** What the request is signed with. */
  readonly key: TsigKey | undefined;
}

export class TransferRules {
  readonly #rules: readonly Rule[];

  /** Throws `invalid` for an entry that cannot be read, with the reason. */
  constructor(entries: readonly string[] = LOOPBACK, keys: readonly TsigKey[] = []) {
    this.#rules = entries.map((text) => parseRule(text, keys));
  }

  /** One rule that fits is enough; in it both the address and the key must fit. */
  allows({ zone, peer, key }: TransferAsker): boolean {
    const family = isIPv6(peer) ? 'ipv6' : 'ipv4';
    return this.#rules.some(
      (rule) =>
        (rule.zone === undefined || rule.zone === zone) &&
        (rule.clients === undefined || rule.clients.check(peer, family)) &&
        (rule.key === undefined || rule.key.name === key?.name),
    );
  }
}

function parseRule(text: string, keys: readonly TsigKey[]): Rule {
  const { zone, items, key, owner } = parseEntry(WHAT, text, keys);
  if (owner !== undefined) throw problem(WHAT, text, 'a transfer has no owner');
  if (items.length === 0 && key === undefined) throw problem(WHAT, text, 'it has neither a range nor a key');
  return { zone, key, clients: items.length === 0 ? undefined : rangesOf(items, text) };
}

function rangesOf(ranges: readonly string[], text: string): BlockList {
  const clients = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix, ...rest] = range.split('/');
    const maxBits = isIP(address) === 6 ? 128 : 32;
    const bits = prefix === undefined ? maxBits : Number(prefix);
    const isRange = isIP(address) !== 0 && rest.length === 0 && /^\d+$/.test(prefix ?? '0') && bits <= maxBits;
    if (!isRange) throw problem(WHAT, text, `${JSON.stringify(range)} is neither an address nor a range`);
    clients.addSubnet(address, bits, maxBits === 128 ? 'ipv6' : 'ipv4');
  }
  return clients;
}
