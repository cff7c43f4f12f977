/** What HAProxy says of its servers: `show servers state` (format 1) and, for people, the checks in `show stat`. */
import { SignalboxError } from '@signalbox/contracts';
import type { AdminState } from '../config/proxy.ts';

export interface ServerState {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly checkPort: number;
  readonly weight: number;
  readonly admin: AdminState;
  /** Whether it takes connections, by its checks. Says nothing in `maint`. */
  readonly isUp: boolean;
  /** Successful checks; above `rise` one has succeeded since the server was made ready. */
  readonly checkHealth: number;
  /** False for a server that was added and whose checks were not begun, or that somebody has taken them from. */
  readonly isChecked: boolean;
  readonly sinceSeconds: number;
}

/** By backend. */
export type ServersState = ReadonlyMap<string, readonly ServerState[]>;

/** Bits of `srv_admin_state`: forced, inherited and by name resolution; then forced and inherited drain. */
const MAINT_BITS = 0x01 | 0x02 | 0x20;
const DRAIN_BITS = 0x08 | 0x10;
/** Of `srv_check_state`. */
const CHECK_ENABLED_BIT = 0x04;
const STOPPED = 0;

/** Throws `invalid` for an answer that is none, such as an error message. */
export function parseServersState(text: string): ServersState {
  const [version, header = '', ...lines] = text.trim().split('\n');
  if (version?.trim() !== '1' || !header.startsWith('# ')) {
    throw new SignalboxError('invalid', `not a state of servers: ${JSON.stringify(text.slice(0, 200))}`);
  }
  const columns = new Map(
    header
      .slice(2)
      .split(' ')
      .map((name, i) => [name, i]),
  );
  const backends = new Map<string, ServerState[]>();
  for (const line of lines) {
    const words = line.split(' ');
    const word = (column: string): string => words[columns.get(column) ?? -1] ?? '';
    const servers = backends.get(word('be_name'));
    if (servers === undefined) backends.set(word('be_name'), [readServer(word)]);
    else servers.push(readServer(word));
  }
  return backends;
}

function readServer(word: (column: string) => string): ServerState {
  const number = (column: string): number => Number(word(column));
  const admin = number('srv_admin_state');
  return {
    name: word('srv_name'),
    address: word('srv_addr'),
    port: number('srv_port'),
    checkPort: number('srv_check_port'),
    weight: number('srv_uweight'),
    admin: (admin & MAINT_BITS) !== 0 ? 'maint' : (admin & DRAIN_BITS) !== 0 ? 'drain' : 'ready',
    isUp: number('srv_op_state') !== STOPPED,
    checkHealth: number('srv_check_health'),
    isChecked: (number('srv_check_state') & CHECK_ENABLED_BIT) !== 0,
    sinceSeconds: number('srv_time_since_last_change'),
  };
}

/** `backend/server` → what its last check said, such as `L4CON Connection refused`. */
export function parseCheckDetails(stat: string): Map<string, string> {
  const [header = '', ...lines] = stat.trim().split('\n');
  const columns = new Map(
    header
      .replace(/^# /, '')
      .split(',')
      .map((name, i) => [name, i]),
  );
  const details = new Map<string, string>();
  for (const line of lines) {
    const words = readCsvLine(line);
    const word = (column: string): string => words[columns.get(column) ?? -1] ?? '';
    const check = word('check_status').replace(/^\* /, '');
    if (check === '') continue;
    details.set(
      `${word('pxname')}/${word('svname')}`,
      [check, word('last_chk')].filter(Boolean).join(' ').slice(0, 200),
    );
  }
  return details;
}

/** RFC 4180, without line breaks in fields: HAProxy writes none. */
function readCsvLine(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
}
