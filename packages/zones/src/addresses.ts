/** IP addresses, and the names that DNS makes of them. */
import ipaddr from 'ipaddr.js';

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

export interface Address {
  readonly family: 'IPv4' | 'IPv6';
  /** Canonical: dotted decimal, or RFC 5952. */
  readonly text: string;
}

/**
 * Strict: four decimal parts without leading zeros, or IPv6 without zone. IPv4-mapped IPv6 is refused, as in Kubernetes,
 * because the two families would disagree about whose address it is.
 */
export function parseAddress(text: string): Address | undefined {
  if (IPV4.test(text)) return { family: 'IPv4', text };
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : { family: 'IPv6', text: address.toRFC5952String() };
}

/**
 * Host label of an endpoint without a hostname: the address with dashes, as CoreDNS writes it. A zero is put where the
 * label would begin or end with a dash (`fd00::` → `fd00--0`), which no host name may.
 */
export function dashedAddress(address: Address): string {
  const dashed = address.text.replaceAll(/[.:]/g, '-');
  return `${dashed.startsWith('-') ? '0' : ''}${dashed}${dashed.endsWith('-') ? '0' : ''}`;
}

/** Owner of the address's PTR records (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(address: Address): string {
  if (address.family === 'IPv4') return `${address.text.split('.').reverse().join('.')}.in-addr.arpa.`;
  const hex = addressBytes(address.text).map((byte) => byte.toString(16).padStart(2, '0'));
  return `${hex.join('').split('').reverse().join('.')}.ip6.arpa.`;
}

/** Of canonical text, in network order: four bytes or sixteen. */
export function addressBytes(text: string): number[] {
  return text.includes(':') ? ipaddr.IPv6.parse(text).toByteArray() : text.split('.').map(Number);
}
