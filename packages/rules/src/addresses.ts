/** Addresses and CIDRs as text from objects: checked, made canonical, and told apart by family. */
import ipaddr from 'ipaddr.js';

export type Family = 'IPv4' | 'IPv6';

export interface Address {
  readonly family: Family;
  /** Dotted quad, or RFC 5952 text. */
  readonly text: string;
}

export interface Cidr {
  readonly family: Family;
  /** Network address in canonical text, host bits cleared, with its prefix length: `10.244.0.0/16`. */
  readonly text: string;
  readonly prefixLength: number;
  readonly bytes: readonly number[];
}

const DOTTED_QUAD = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const CANONICAL_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The address in canonical text; undefined for anything that is not exactly one address. As Kubernetes does, leading zeros
 * of a dotted quad are decimal (never octal), an IPv4-mapped IPv6 address is the IPv4 address, and a zone (`%eth0`) is refused.
 */
export function parseAddress(text: string): Address | undefined {
  const octets = DOTTED_QUAD.exec(text)?.slice(1).map(Number);
  if (octets !== undefined) return octets.every((octet) => octet <= 255) ? ipv4(octets) : undefined;
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  const parsed = ipaddr.IPv6.parse(text);
  if (parsed.isIPv4MappedAddress()) return ipv4(parsed.toIPv4Address().octets);
  return { family: 'IPv6', text: parsed.toRFC5952String() };
}

/** True for exactly the texts that `parseAddress` gives; quick, because renderers ask it for every endpoint. */
export function isCanonicalAddress(text: string, family: Family): boolean {
  return family === 'IPv4' ? CANONICAL_IPV4.test(text) : text.includes(':') && parseAddress(text)?.text === text;
}

export function parseCidr(text: string): Cidr | undefined {
  const [base = '', length = '', ...rest] = text.trim().split('/');
  const address = parseAddress(base);
  if (address === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const prefixLength = Number(length);
  const bytes = ipaddr.parse(address.text).toByteArray();
  if (prefixLength > bytes.length * 8) return undefined;
  const network = bytes.map((byte, index) => byte & maskOfByte(prefixLength, index));
  const networkText = address.family === 'IPv4' ? network.join('.') : new ipaddr.IPv6(network).toRFC5952String();
  return { family: address.family, text: `${networkText}/${prefixLength}`, prefixLength, bytes: network };
}

export function cidrContains(cidr: Cidr, inner: Cidr): boolean {
  if (cidr.family !== inner.family || cidr.prefixLength > inner.prefixLength) return false;
  return cidr.bytes.every((byte, index) => ((inner.bytes[index] ?? 0) & maskOfByte(cidr.prefixLength, index)) === byte);
}

/** The same addresses in the fewest of the given CIDRs, sorted: interval sets of nftables refuse overlaps. */
export function disjointCidrs(cidrs: readonly Cidr[]): Cidr[] {
  const unique = [...new Map(cidrs.map((cidr) => [cidr.text, cidr])).values()];
  return unique
    .filter((cidr) => !unique.some((other) => other !== cidr && cidrContains(other, cidr)))
    .sort((a, b) => compareText(a.text, b.text));
}

/** One address as a CIDR of full length. */
export function hostCidr(address: Address): Cidr {
  const bytes = ipaddr.parse(address.text).toByteArray();
  return { family: address.family, text: `${address.text}/${bytes.length * 8}`, prefixLength: bytes.length * 8, bytes };
}

/** Code unit order: the same on every machine, unlike localeCompare. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function ipv4(octets: readonly number[]): Address {
  return { family: 'IPv4', text: octets.join('.') };
}

function maskOfByte(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}
