/**
 * Which addresses a webhook may not be sent to, because they lead into this machine or its cloud's insides (SSRF). Pure.
 *
 *   always refused             │ unspecified, multicast, broadcast, link-local (cloud metadata lives at 169.254.169.254),
 *                              │ the other addresses of cloud metadata, documentation and reserved ranges
 *   refused unless allowed     │ loopback, private (RFC 1918, RFC 4193), shared (RFC 6598)
 *
 * An IPv4 address inside of an IPv6 one (mapped, NAT64, 6to4) is judged as the IPv4 address. Where it stands in another one is
 * not known (NAT64 with a prefix of its own, RFC 8215; Teredo): those are never sent to.
 */
import { BlockList, isIP } from 'node:net';

export interface AddressPolicy {
  readonly allowsPrivate: boolean;
}

const NEVER = blockList([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  '100::/64',
  '2001:db8::/32',
  '3fff::/20',
  '64:ff9b:1::/48',
  '2001::/32',
  // Metadata: Amazon, Google, Azure's host, Alibaba.
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  '168.63.129.16/32',
  '100.100.100.200/32',
]);
const PRIVATE = blockList([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
]);

/** Why it is refused; undefined: it is not. */
export function forbiddenAddress(address: string, { allowsPrivate }: AddressPolicy): string | undefined {
  const family = isIP(address);
  if (family === 0) return `${address} is not an address`;
  const inner = family === 6 ? embeddedIPv4(address) : undefined;
  if (inner !== undefined) return forbiddenAddress(inner, { allowsPrivate });
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (NEVER.check(address, type)) return `${address} is never sent to`;
  if (!allowsPrivate && PRIVATE.check(address, type)) return `${address} is private: it takes --allow-private-targets`;
  return undefined;
}

/** Of `::ffff:a.b.c.d`, `::a.b.c.d`, `64:ff9b::/96` and `2002::/16`. */
function embeddedIPv4(address: string): string | undefined {
  const bytes = bytesOf(address);
  const prefix = bytes.slice(0, 12).join(' ');
  const isLast = ['0 0 0 0 0 0 0 0 0 0 255 255', '0 100 255 155 0 0 0 0 0 0 0 0'].includes(prefix);
  const isCompatible = /^(0 ){11}0$/.test(prefix) && bytes.slice(12).join(' ') > '0 0 0 1';
  if (isLast || isCompatible) return bytes.slice(12).join('.');
  return bytes[0] === 0x20 && bytes[1] === 0x02 ? bytes.slice(2, 6).join('.') : undefined;
}

/** The URL parser writes every IPv6 address in one form: eight groups, the longest run of zeros as `::`, no dots. */
function bytesOf(address: string): number[] {
  const canonical = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)];
  return all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
