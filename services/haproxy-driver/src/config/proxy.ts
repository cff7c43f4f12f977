/** What HAProxy is to do for one target group: everything in it is safe to be written into a configuration. */
import type { TargetGroupKey } from '@signalbox/contracts';

export const BALANCE_ALGORITHMS = ['roundrobin', 'leastconn', 'random'] as const;
export type BalanceAlgorithm = (typeof BALANCE_ALGORITHMS)[number];

/** `ready` gets traffic, `drain` keeps its connections and its health checks, `maint` keeps its connections only. */
export type AdminState = 'ready' | 'drain' | 'maint';

export interface DesiredServer {
  readonly address: string;
  readonly port: number;
  readonly checkPort: number;
  /** 0 to 256, as HAProxy takes it. */
  readonly weight: number;
  readonly admin: AdminState;
}

export interface HealthCheck {
  readonly type: 'tcp' | 'http' | 'https';
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
}

export interface LbProxy {
  readonly key: TargetGroupKey;
  readonly name: string;
  /** Where it listens. */
  readonly listeners: readonly Listener[];
  readonly mode: 'tcp' | 'http';
  /** Text after `balance`. */
  readonly balance: string;
  readonly check: HealthCheck;
  readonly proxyProtocol: 'v1' | 'v2' | undefined;
  /** Undefined: everybody may connect. */
  readonly sourceRanges: readonly string[] | undefined;
  readonly servers: readonly DesiredServer[];
}

export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** `127.0.0.1:80`, `[::1]:80`. */
export function listenerText({ address, port }: Listener): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
