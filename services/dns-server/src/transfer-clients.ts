/** Who may have whole zones. */
import type { BlockList } from 'node:net';
import { addressRanges, LOOPBACK } from './address-ranges.ts';

/** From addresses and ranges; throws `invalid` for what is neither. */
export function transferClients(ranges: readonly string[] = LOOPBACK): BlockList {
  return addressRanges(ranges, 'zone transfers to');
}
