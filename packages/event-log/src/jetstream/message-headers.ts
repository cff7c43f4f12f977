/** Headers of the port as NATS carries them. What begins with `Nats-` is between us and the server. */
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { AppendEntry, MessageHeaders } from '../event-log.ts';

export function toNatsHeaders({ headers: own, expectedSequence }: AppendEntry): MsgHdrs | undefined {
  if (own === undefined && expectedSequence === undefined) return undefined;
  const result = headers();
  for (const [name, value] of Object.entries(own ?? {})) result.set(name, value);
  if (expectedSequence !== undefined) result.set('Nats-Expected-Last-Subject-Sequence', String(expectedSequence));
  return result;
}

/** Nothing to spread when there are none. */
export function fromNatsHeaders(found: MsgHdrs | undefined): { readonly headers?: MessageHeaders } {
  if (found === undefined) return {};
  const own = found.keys().filter((name) => !name.startsWith('Nats-'));
  return own.length === 0 ? {} : { headers: Object.fromEntries(own.map((name) => [name, found.get(name)])) };
}
