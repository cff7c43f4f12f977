/** Addresses and ranges that a setting lists. */
import { BlockList, isIP } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';

export const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1'];

/** Throws `invalid` for what is neither an address nor a range; `purpose` begins the message. */
export function addressRanges(ranges: readonly string[], purpose: string): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix, ...rest] = range.split('/');
    const maxBits = isIP(address) === 6 ? 128 : 32;
    const bits = prefix === undefined ? maxBits : Number(prefix);
    const isRange = isIP(address) !== 0 && rest.length === 0 && /^\d+$/.test(prefix ?? '0') && bits <= maxBits;
    if (!isRange) {
      throw new SignalboxError('invalid', `${purpose} ${JSON.stringify(range)}: neither an address nor a range`);
    }
    list.addSubnet(address, bits, maxBits === 128 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** Whether an address is in the list. */
export function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
