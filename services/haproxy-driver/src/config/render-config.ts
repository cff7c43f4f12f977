/**
 * Proxies and the servers in their slots → the text of haproxy.cfg. Pure: equal input gives equal text.
 *
 * The layout is all of it but the servers. It can change by a reload only, so its hash stands in the `description`, which a
 * running HAProxy tells: that is how it is known what runs.
 */
import { createHash } from 'node:crypto';
import { type LbProxy, listenerText } from './proxy.ts';

/** A server as it stands, or is to stand, in HAProxy. Its name is `s` and a number. */
export interface Slot {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly checkPort: number;
  readonly weight: number;
  /** Without traffic at the start. What drains is so too: a new process has no connections of it. */
  readonly isDisabled: boolean;
}

export interface ConfigSettings {
  /** Of the runtime socket. */
  readonly socketPath: string;
  /** Read when HAProxy starts: what was known of servers before. */
  readonly statePath: string;
  readonly maxConnections: number;
  readonly timeoutsMs: { readonly connect: number; readonly client: number; readonly server: number };
}

/** Where a slot without a target points: nothing listens there, and it is not used anyway. */
export const NOWHERE = { address: '127.0.0.1', port: 1 } as const;
/** Source ranges on one line: HAProxy takes 64 words. */
const RANGES_PER_LINE = 30;

export function renderConfig(
  proxies: Iterable<LbProxy>,
  settings: ConfigSettings,
  slotsOf: (proxy: LbProxy) => readonly Slot[],
): { readonly text: string; readonly layoutHash: string } {
  const all = [...proxies];
  const { layoutHash } = renderLayout(all, settings);
  const parts = all.map((proxy) => [
    ...proxyLines(proxy),
    ...slotsOf(proxy).map((slot) => serverLine(proxy, slot)),
    '',
  ]);
  return { text: [...globalLines(settings, layoutHash), ...parts.flat()].join('\n'), layoutHash };
}

export function renderLayout(proxies: Iterable<LbProxy>, settings: ConfigSettings): { readonly layoutHash: string } {
  // Options of servers are part of it: a dynamic server keeps those that it began with.
  const lines = [...proxies].flatMap((proxy) => [...proxyLines(proxy), serverOptions(proxy)]);
  const text = [...globalLines(settings, ''), ...lines].join('\n');
  return { layoutHash: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}

/** The words after the address, of servers in the configuration and of those added later. */
export function serverOptions({ check, proxyProtocol }: LbProxy): string {
  const words = ['check', `inter ${check.intervalMs}`, `rise ${check.rise}`, `fall ${check.fall}`];
  if (check.type === 'https') words.push('check-ssl verify none');
  if (proxyProtocol !== undefined)
    words.push(proxyProtocol === 'v1' ? 'send-proxy' : 'send-proxy-v2', 'check-send-proxy');
  return words.join(' ');
}

function globalLines({ socketPath, statePath, maxConnections, timeoutsMs }: ConfigSettings, layout: string): string[] {
  return [
    '# Written by the HAProxy driver of Signalbox; changes are lost.',
    'global',
    `  description signalbox-${layout}`,
    `  maxconn ${maxConnections}`,
    `  stats socket ${quoted(socketPath)} mode 600 level admin expose-fd listeners`,
    '  stats timeout 1m',
    `  server-state-file ${quoted(statePath)}`,
    '  hard-stop-after 1h',
    '',
    'defaults',
    '  mode tcp',
    '  load-server-state-from-file global',
    '  option redispatch',
    '  option dontlognull',
    '  retries 3',
    `  timeout connect ${timeoutsMs.connect}`,
    `  timeout client ${timeoutsMs.client}`,
    `  timeout server ${timeoutsMs.server}`,
    `  timeout tunnel ${Math.max(timeoutsMs.client, timeoutsMs.server)}`,
    '',
  ];
}

function proxyLines(proxy: LbProxy): string[] {
  const { name, mode, listeners, check, balance } = proxy;
  return [
    `frontend ${name}`,
    `  mode ${mode}`,
    ...listeners.map((listener) => `  bind ${listenerText(listener)}`),
    ...rangeLines(proxy.sourceRanges),
    ...(mode === 'http' ? ['  option forwardfor', '  timeout http-request 30s', '  timeout http-keep-alive 1m'] : []),
    `  default_backend ${name}`,
    '',
    `backend ${name}`,
    `  mode ${mode}`,
    `  balance ${balance}`,
    ...(balance === 'source' ? ['  hash-type consistent'] : []),
    ...checkLines(check),
  ];
}

function rangeLines(ranges: readonly string[] | undefined): string[] {
  if (ranges === undefined) return [];
  if (ranges.length === 0) return ['  tcp-request connection reject'];
  const lines: string[] = [];
  for (let i = 0; i < ranges.length; i += RANGES_PER_LINE) {
    lines.push(`  acl is_allowed src ${ranges.slice(i, i + RANGES_PER_LINE).join(' ')}`);
  }
  return [...lines, '  tcp-request connection reject if !is_allowed'];
}

function checkLines({ type, path, timeoutMs }: LbProxy['check']): string[] {
  if (type === 'tcp') return [`  timeout check ${timeoutMs}`];
  return [
    `  timeout check ${timeoutMs}`,
    '  option httpchk',
    `  http-check send meth GET uri ${quoted(path)} ver HTTP/1.1 hdr Host signalbox hdr Connection close`,
  ];
}

function serverLine(proxy: LbProxy, { name, address, port, checkPort, weight, isDisabled }: Slot): string {
  const disabled = isDisabled ? ' disabled' : '';
  const place = listenerText({ address, port });
  return `  server ${name} ${place} weight ${weight} ${serverOptions(proxy)} port ${checkPort}${disabled}`;
}

/** Within single quotes nothing has a meaning to HAProxy. Callers give no quotes and no control characters. */
function quoted(text: string): string {
  return `'${text}'`;
}

/** Who listens where, by a text that `renderConfig` made: listener text → proxy name. */
export function readListeners(config: string): Map<string, string> {
  const listeners = new Map<string, string>();
  let frontend = '';
  for (const line of config.split('\n')) {
    const [, keyword, word = ''] = /^ *(frontend|bind) (\S+)$/.exec(line) ?? [];
    if (keyword === 'frontend') frontend = word;
    if (keyword === 'bind') listeners.set(word, frontend);
  }
  return listeners;
}
