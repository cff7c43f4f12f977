/** Who may have whole zones. */
import { BlockList, isIP } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1'];

/** From addresses and ranges; throws `invalid` for what is neither. */
export function transferClients(ranges: readonly string[] = LOOPBACK): BlockList {
  const clients = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix, ...rest] = range.split('/');
    const maxBits = isIP(address) === 6 ? 128 : 32;
    const bits = prefix === undefined ? maxBits : Number(prefix);
    const isRange = isIP(address) !== 0 && rest.length === 0 && /^\d+$/.test(prefix ?? '0') && bits <= maxBits;
    if (!isRange) {
      throw new SignalboxError('invalid', `zone transfers to ${JSON.stringify(range)}: neither an address nor a range`);
    }
    clients.addSubnet(address, bits, maxBits === 128 ? 'ipv6' : 'ipv4');
  }
  return clients;
}
