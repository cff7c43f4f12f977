/**
 * Target group → proxy. Pure. What comes from objects is checked here, whatever was checked before: nothing that is not
 * an address, a range, a number or a plain path gets into a configuration.
 *
 *   protocol  │ appProtocol                      │ mode
 *   ──────────┼──────────────────────────────────┼──────────────────────────────────────────────────
 *   TCP       │ http, kubernetes.io/ws           │ http
 *   TCP       │ any other (https, h2c, wss, …)   │ tcp: bytes as they are, TLS and its SNI included
 *   UDP, SCTP │ any                              │ refused
 */
import { isIP } from 'node:net';
import type { GroupTarget, TargetGroup, TargetGroupKey } from '@signalbox/contracts';
import type { AdminState, BalanceAlgorithm, DesiredServer, HealthCheck, LbProxy } from './proxy.ts';
import { proxyName } from './proxy-name.ts';

export interface ProxyDefaults {
  readonly balance: BalanceAlgorithm;
  readonly checkIntervalMs: number;
}

export type CompiledProxy =
  | { readonly type: 'proxy'; readonly proxy: Omit<LbProxy, 'listeners'>; readonly leftOut: readonly string[] }
  | { readonly type: 'refused'; readonly reason: string };

const HTTP_PROTOCOLS: readonly (string | undefined)[] = ['http', 'kubernetes.io/ws'];
/** Of a URL's path and query, what needs no quoting in a configuration. */
const PLAIN_PATH = /^\/[\w/.~:?&=%+,;@!*()-]{0,1000}$/;
const MAX_WEIGHT = 256;
/** With 1, HAProxy's counter does not tell a server that was never checked from one that is healthy. */
const MIN_FALL = 2;
const DEFAULT_RISE = 2;
const DEFAULT_FALL = 3;

export function compileProxy(key: TargetGroupKey, group: TargetGroup, defaults: ProxyDefaults): CompiledProxy {
  if (group.protocol !== 'TCP') return { type: 'refused', reason: `HAProxy does not balance ${group.protocol}` };
  if (!isPort(group.port)) return { type: 'refused', reason: `not a port: ${group.port}` };
  const leftOut: string[] = [];
  const hasAffinity = group.sessionAffinitySeconds !== undefined || group.algorithm === 'source-hash';
  const proxy = {
    key,
    name: proxyName(key),
    mode: HTTP_PROTOCOLS.includes(group.appProtocol) ? ('http' as const) : ('tcp' as const),
    balance: balanceOf(group, hasAffinity, defaults),
    check: checkOf(group, defaults, leftOut),
    proxyProtocol: group.proxyProtocol,
    sourceRanges: rangesOf(group.sourceRanges, leftOut),
    servers: serversOf(group, leftOut),
  };
  return { type: 'proxy', proxy, leftOut };
}

/**
 * Affinity is a consistent hash of the client's address rather than a table: it outlives reloads and restarts, and several
 * load balancers agree on it.
 */
function balanceOf({ algorithm }: TargetGroup, hasAffinity: boolean, { balance }: ProxyDefaults): string {
  if (hasAffinity) return 'source';
  if (algorithm === 'round-robin') return 'roundrobin';
  if (algorithm === 'least-connections') return 'leastconn';
  return algorithm === 'random' ? 'random' : balance;
}

function checkOf({ healthCheck }: TargetGroup, { checkIntervalMs }: ProxyDefaults, leftOut: string[]): HealthCheck {
  const intervalMs = atLeast(100, healthCheck.intervalMs ?? checkIntervalMs);
  const numbers = {
    intervalMs,
    timeoutMs: atLeast(100, healthCheck.timeoutMs ?? intervalMs),
    rise: atLeast(1, healthCheck.healthyThreshold ?? DEFAULT_RISE),
    fall: atLeast(MIN_FALL, healthCheck.unhealthyThreshold ?? DEFAULT_FALL),
  };
  const path = healthCheck.path ?? '/';
  if (healthCheck.type === 'tcp') return { type: 'tcp', path: '', ...numbers };
  if (PLAIN_PATH.test(path)) return { type: healthCheck.type, path, ...numbers };
  leftOut.push(`the health check's path ${JSON.stringify(path.slice(0, 100))}: connections are checked instead`);
  return { type: 'tcp', path: '', ...numbers };
}

/** No range that can be read, where some were given, lets nobody in. */
function rangesOf(ranges: readonly string[], leftOut: string[]): readonly string[] | undefined {
  if (ranges.length === 0) return undefined;
  const valid = ranges.filter(isRange);
  if (valid.length < ranges.length) leftOut.push(`${ranges.length - valid.length} source ranges that are none`);
  return [...new Set(valid)].sort();
}

function isRange(text: string): boolean {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

function serversOf(group: TargetGroup, leftOut: string[]): DesiredServer[] {
  const used = group.targets.filter(({ state }) => state === 'active' || state === 'draining');
  const heaviest = Math.max(1, ...used.map(({ weight }) => weight));
  const servers = new Map<string, DesiredServer>();
  for (const target of used) {
    if (isIP(target.address) === 0 || target.address.includes('%') || !isPort(target.port)) {
      leftOut.push(`the target ${JSON.stringify(`${target.address.slice(0, 60)} ${target.port}`)}`);
      continue;
    }
    const server = serverOf(target, group, heaviest);
    const place = serverPlace(server);
    if (servers.get(place)?.admin !== 'ready') servers.set(place, server);
  }
  return [...servers.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, server]) => server);
}

/** What names a server within a backend. */
export function serverPlace({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}

function serverOf(target: GroupTarget, { healthCheck }: TargetGroup, heaviest: number): DesiredServer {
  // Pods of one Service may have different ports behind one name; each is checked at its own.
  const checksItself = target.type === 'pod' && healthCheck.type === 'tcp';
  return {
    address: target.address,
    port: target.port,
    checkPort: checksItself || !isPort(healthCheck.port) ? target.port : healthCheck.port,
    weight: weightOf(target.weight, heaviest),
    admin: adminOf(target),
  };
}

/** Weights beyond what HAProxy takes are scaled down together; what has some keeps some. */
function weightOf(weight: number, heaviest: number): number {
  if (heaviest <= MAX_WEIGHT || weight === 0) return weight;
  return Math.max(1, Math.round((weight * MAX_WEIGHT) / heaviest));
}

function adminOf({ state }: GroupTarget): AdminState {
  return state === 'active' ? 'ready' : 'drain';
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function atLeast(least: number, value: number): number {
  return Math.min(3_600_000, Math.max(least, Math.round(value)));
}
