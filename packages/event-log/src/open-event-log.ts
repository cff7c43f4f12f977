/** Opens the log that a setting names, so that services need not know the adapters. */
import type { EventLog, LogLimits } from './event-log.ts';
import { openJetStreamEventLog } from './jetstream/jetstream-event-log.ts';
import { openSqliteEventLog } from './sqlite/sqlite-event-log.ts';

export interface OpenEventLogOptions extends LogLimits {
  /** Who opens it: the name of the connection to a server. */
  readonly name: string;
}

/**
 * `nats://host:port` or `tls://host:port` (several separated by commas, `user:password@` in the first one) is JetStream;
 * everything else is the path of a SQLite file, or `:memory:`.
 */
export async function openEventLog(location: string, { name, ...limits }: OpenEventLogOptions): Promise<EventLog> {
  if (!/^(nats|tls):\/\//.test(location)) return openSqliteEventLog({ path: location, ...limits });
  const urls = location.split(',').map((text) => new URL(text.trim()));
  const [first] = urls;
  const login = first?.username
    ? { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
    : {};
  const tls = first?.protocol === 'tls:' ? { tls: {} } : {};
  const servers = urls.map(({ host }) => host);
  return openJetStreamEventLog({ servers, name, ...limits, connection: { ...login, ...tls } });
}
