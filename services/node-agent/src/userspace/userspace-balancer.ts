/**
 * Service ports on this machine's own addresses, proxied by this process: needs no root and no kernel support, for laptops
 * and containers. Endpoints are chosen by the same rules as in the kernel backends. External IPs and load-balancer addresses
 * are listened on where they are addresses of this machine, and reported where they are not; SCTP is left to the kernel.
 */
import { isIP } from 'node:net';
import { type ProxyPlan, type ServiceKey, SignalboxError, serviceKeyText } from '@signalbox/contracts';
import type { PlanChange, RulesNode, SkippedOfService } from '@signalbox/rules';
import { FlowTable } from './flow-table.ts';
import type { ListenerStatus } from './listener-status.ts';
import { PortAllocator, type PortRange } from './port-allocator.ts';
import { ServiceBalancer, type Shared } from './service-balancer.ts';
import { compileTargets } from './service-targets.ts';
import { TcpConnections } from './tcp-connections.ts';
import type { UdpFlow } from './udp-listener.ts';

export interface UserspaceOptions {
  /** Addresses on which every service port is reached: at its node port, else at a port of the range. Default 127.0.0.1. */
  readonly listenHosts?: readonly string[];
  /** Default 20000 to 29999, which no node port is in. */
  readonly portRange?: PortRange;
  /** Listen on cluster IPs too; those that are not an address of this machine are reported as failed. Default false. */
  readonly listenClusterIPs?: boolean;
  /** TCP connections of all services; further ones are reset. Default 2,000. */
  readonly maxConnections?: number;
  /** UDP clients of all services; the quietest one gives way. Each has a socket. Default 1,000. */
  readonly maxFlows?: number;
  /** Clients that a service port with session affinity remembers; the quietest one gives way. Default 10,000. */
  readonly maxAffinityClients?: number;
  /** For each of at most three endpoints. Default 2 s. */
  readonly connectTimeoutMs?: number;
  /** A UDP flow without datagrams for so long ends. Default 60 s. */
  readonly udpIdleMs?: number;
  /** How often places that could not be listened on are tried again. Default 30 s. */
  readonly retryMs?: number;
  /** How long open connections may take to end after `close`. Default 10 s. */
  readonly closeTimeoutMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

export interface UserspaceStats {
  readonly connections: number;
  readonly flows: number;
  /** Since the start: TCP connections reset because of the limit or because nothing could serve them. */
  readonly refusedConnections: number;
  /** Since the start: endpoints that could not be connected to. */
  readonly connectFailures: number;
  /** Since the start: datagrams that nothing could take. */
  readonly droppedDatagrams: number;
}

export interface UserspaceBalancer {
  /**
   * Endpoints are as in the plans at once, for all changes, before the promise is even awaited; it resolves when new service
   * ports listen or have failed to. Open connections are left alone, whatever happens to their endpoint or service. Equal
   * plans change nothing. A port that cannot be listened on is no error: see `listeners`.
   */
  update(changes: readonly PlanChange[], node: RulesNode): Promise<void>;
  /** Sorted by service, port and address. */
  listeners(): ListenerStatus[];
  /** Parts of plans that could not be followed. */
  skipped(): SkippedOfService[];
  stats(): UserspaceStats;
  /** Listens no more at once, lets open connections end until the deadline, then cuts them. Idempotent. */
  close(): Promise<void>;
}

/** Throws `invalid` for options that cannot work. */
export function openUserspaceBalancer(options: UserspaceOptions = {}): UserspaceBalancer {
  return new Balancer(sharedOf(options), options);
}

interface Entry {
  readonly key: ServiceKey;
  readonly plan: ProxyPlan;
  readonly balancer: ServiceBalancer;
  skipped: readonly SkippedOfService[];
}

class Balancer implements UserspaceBalancer {
  readonly #shared: Shared & { readonly stats: () => UserspaceStats };
  readonly #closeTimeoutMs: number;
  readonly #retry: NodeJS.Timeout;
  readonly #entries = new Map<string, Entry>();
  #nodeText = '';
  /** Listeners are opened one update after the other, so that a later one finds what an earlier one took. */
  #opening: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(shared: Shared & { readonly stats: () => UserspaceStats }, options: UserspaceOptions) {
    this.#shared = shared;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 10_000;
    this.#retry = setInterval(() => void this.#openAll([...this.#entries.values()]), options.retryMs ?? 30_000).unref();
  }

  async update(changes: readonly PlanChange[], node: RulesNode): Promise<void> {
    if (this.#closed !== undefined) throw new SignalboxError('unavailable', 'the userspace balancer is closed');
    const changed = [...changes].sort((a, b) => compare(serviceKeyText(a.key), serviceKeyText(b.key)));
    const nodeText = JSON.stringify(node);
    const isOtherNode = nodeText !== this.#nodeText;
    this.#nodeText = nodeText;
    // Those that go first may free what others need.
    for (const { key, plan } of changed) if (plan === undefined) this.#remove(serviceKeyText(key));
    const entries = changed.flatMap(({ key, plan }) => (plan === undefined ? [] : [this.#set(key, plan)]));
    const affected = isOtherNode ? [...this.#entries.values()] : entries;
    for (const entry of affected) {
      const { targets, skipped } = compileTargets(entry.plan, node);
      entry.skipped = skipped;
      entry.balancer.update(targets, node);
    }
    await this.#openAll(affected);
  }

  listeners(): ListenerStatus[] {
    const all = [...this.#entries.values()].flatMap(({ balancer }) => balancer.status());
    const textOf = ({ service, portName, protocol, address }: ListenerStatus): string =>
      [service, portName, protocol, address].join(' ');
    return all.sort((a, b) => compare(textOf(a), textOf(b)));
  }

  skipped(): SkippedOfService[] {
    return [...this.#entries.values()].flatMap(({ skipped }) => skipped);
  }

  stats(): UserspaceStats {
    return this.#shared.stats();
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    clearInterval(this.#retry);
    for (const name of this.#entries.keys()) this.#remove(name);
    this.#shared.flows.close();
    await Promise.all([this.#opening, this.#shared.connections.end(this.#closeTimeoutMs)]);
  }

  #set(key: ServiceKey, plan: ProxyPlan): Entry {
    const name = serviceKeyText(key);
    const balancer = this.#entries.get(name)?.balancer ?? new ServiceBalancer(key, this.#shared);
    const entry = { key, plan, balancer, skipped: [] };
    this.#entries.set(name, entry);
    return entry;
  }

  #remove(name: string): void {
    this.#entries.get(name)?.balancer.close();
    this.#entries.delete(name);
  }

  async #openAll(entries: readonly Entry[]): Promise<void> {
    this.#opening = this.#opening.then(async () => {
      for (const { balancer } of entries) await balancer.open();
    });
    await this.#opening;
  }
}

const DEFAULT_PORT_RANGE: PortRange = { first: 20_000, last: 29_999 };

function sharedOf(options: UserspaceOptions): Shared & { readonly stats: () => UserspaceStats } {
  const listenHosts = options.listenHosts ?? ['127.0.0.1'];
  const bad = listenHosts.find((host) => isIP(host) === 0);
  if (bad !== undefined)
    throw new SignalboxError('invalid', `${JSON.stringify(bad)} is not an IP address to listen on`);
  const range = options.portRange ?? DEFAULT_PORT_RANGE;
  if (!(range.first >= 1 && range.first <= range.last && range.last <= 65_535)) {
    throw new SignalboxError('invalid', `${range.first}-${range.last} is not a range of ports`);
  }
  const now = options.now ?? (() => performance.now());
  const connections = new TcpConnections(options.maxConnections ?? 2_000);
  const flows = new FlowTable<UdpFlow>({
    maxFlows: options.maxFlows ?? 1_000,
    idleMs: options.udpIdleMs ?? 60_000,
    now,
  });
  let droppedDatagrams = 0;
  return {
    listenHosts,
    listenClusterIPs: options.listenClusterIPs ?? false,
    maxAffinityClients: options.maxAffinityClients ?? 10_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 2_000,
    now,
    ports: new PortAllocator(range),
    connections,
    flows,
    onDropped: () => {
      droppedDatagrams += 1;
    },
    stats: () => ({
      connections: connections.count,
      flows: flows.size,
      refusedConnections: connections.refused,
      connectFailures: connections.connectFailures,
      droppedDatagrams,
    }),
  };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
