/** Names of frontends and backends: from the target group, readable, and different for different groups. */
import type { TargetGroupKey } from '@signalbox/contracts';

/** Bytes that HAProxy allows in names and that need no escape here. `:` joins the parts, `_` begins an escape. */
const PLAIN = /[A-Za-z0-9.-]/;

/** `eu/shop/web:80/TCP` is `eu:shop:web:80:TCP`; of every other byte the two hexadecimal digits follow `_`. */
export function proxyName({ cluster, namespace, name, port }: TargetGroupKey): string {
  return [cluster, namespace, name, ...port.split('/')].map(escapePart).join(':');
}

function escapePart(part: string): string {
  return [...Buffer.from(part, 'utf8')].map(escapeByte).join('');
}

function escapeByte(byte: number): string {
  const char = String.fromCharCode(byte);
  return PLAIN.test(char) ? char : `_${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
