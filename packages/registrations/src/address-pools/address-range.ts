/** Ranges of addresses as numbers, so that IPv4 and IPv6 pools of any size cost the same. */
import ipaddr from 'ipaddr.js';
import { addressFamily, canonicalAddress, isRange } from '../address.ts';

export type Family = 'IPv4' | 'IPv6';

export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** `192.0.2.0/28`, `192.0.2.10-192.0.2.20`, or one address. Undefined for anything else. */
export function parseRange(text: string): AddressRange | undefined {
  const trimmed = text.trim();
  if (trimmed.includes('/')) return parseCidr(trimmed);
  const [from = '', to = from, ...rest] = trimmed.split('-').map((part) => part.trim());
  const first = canonicalAddress(from);
  const last = canonicalAddress(to);
  if (first === undefined || last === undefined || rest.length > 0) return undefined;
  if (addressFamily(first) !== addressFamily(last)) return undefined;
  const range = { family: addressFamily(first), first: numberOf(first), last: numberOf(last) };
  return range.first <= range.last ? range : undefined;
}

function parseCidr(text: string): AddressRange | undefined {
  if (!isRange(text)) return undefined;
  const [address, prefix] = ipaddr.parseCIDR(text);
  const family = addressFamily(address.toString());
  const hostBits = BigInt((family === 'IPv4' ? 32 : 128) - prefix);
  const first = (numberOf(address.toString()) >> hostBits) << hostBits;
  return { family, first, last: first + (1n << hostBits) - 1n };
}

export function contains(range: AddressRange, address: string): boolean {
  const number = numberOf(address);
  return range.family === addressFamily(address) && range.first <= number && number <= range.last;
}

/** The lowest address of the range that is not used; looks at no more addresses than there are used ones. */
export function firstFree(range: AddressRange, isUsed: (address: string) => boolean): string | undefined {
  for (let number = range.first; number <= range.last; number += 1n) {
    const address = addressOf(number, range.family);
    if (!isUsed(address)) return address;
  }
  return undefined;
}

/** Of a canonical address. */
function numberOf(address: string): bigint {
  const hex = ipaddr
    .parse(address)
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, '0'));
  return BigInt(`0x${hex.join('')}`);
}

function addressOf(number: bigint, family: Family): string {
  const length = family === 'IPv4' ? 4 : 16;
  const hex = number.toString(16).padStart(length * 2, '0');
  return ipaddr.fromByteArray([...Buffer.from(hex, 'hex')]).toString();
}
