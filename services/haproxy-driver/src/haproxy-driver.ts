/** The HAProxy driver: the parts, and what they tell each other. */
import { hostname } from 'node:os';
import {
  type Clock,
  DriverDuty,
  followStream,
  ProgrammedChanges,
  type Readiness,
  type RunningService,
  type ServiceContext,
  STEADY_CLOCK,
  TargetFeed,
} from '@signalbox/kit';
import type { BindAddresses } from './config/compile-proxies.ts';
import type { BalanceAlgorithm } from './config/proxy.ts';
import { readListeners } from './config/render-config.ts';
import { HaproxySync, type SyncState } from './haproxy-sync.ts';
import { createDriverMetrics } from './metrics.ts';
import { HaproxyControl } from './process/haproxy-control.ts';
import { haproxyFiles, readIfThere } from './process/haproxy-files.ts';
import { Programmer } from './programmer.ts';
import { WantedProxies } from './wanted-proxies.ts';

export interface HaproxyDriverOptions {
  /** Empty: Services without a class. */
  readonly loadBalancerClass: string;
  /** Shared with HAProxy: its configuration and its sockets. */
  readonly folder: string;
  /** Unique among the drivers of the class. Default: `haproxy@` and the host's name. */
  readonly name?: string;
  /** The program. Default `haproxy`. */
  readonly haproxy?: string;
  /** Reloads a HAProxy that somebody else runs; absent: the driver starts one. */
  readonly reloadCommand?: readonly string[] | undefined;
  /** Default `local`. */
  readonly bind?: BindAddresses;
  readonly portOffset?: number;
  readonly balance?: BalanceAlgorithm;
  readonly maxConnections?: number;
  /** Between two health checks of a server. Default two seconds. */
  readonly checkIntervalMs?: number;
  /** Between two looks at health and drift. Default one second. */
  readonly lookIntervalMs?: number;
  /** Default 15 seconds. */
  readonly leaseMs?: number;
  /** Between two tries while HAProxy fails, at most. Default ten seconds. */
  readonly maxBackoffMs?: number;
  /** For an answer of HAProxy, and for a reload. Default ten seconds. */
  readonly timeoutMs?: number;
  /** Between two messages about what is programmed. Default half a second. */
  readonly reportIntervalMs?: number;
  /** For looks and back-off. Default: the process's own. */
  readonly clock?: Clock;
}

export interface HaproxyDriver extends RunningService {
  readonly state: SyncState;
  readonly holdsLease: boolean;
}

const DEFAULTS = {
  haproxy: 'haproxy',
  bind: 'local' as BindAddresses,
  portOffset: 0,
  balance: 'roundrobin' as BalanceAlgorithm,
  maxConnections: 4_000,
  checkIntervalMs: 2_000,
  lookIntervalMs: 1_000,
  leaseMs: 15_000,
  maxBackoffMs: 10_000,
  timeoutMs: 10_000,
  reportIntervalMs: 500,
  clock: STEADY_CLOCK,
};
const PROXY_TIMEOUTS_MS = { connect: 5_000, client: 300_000, server: 300_000 };

/** Starts to follow at once. Throws `invalid` for a folder that cannot be used. */
export async function startHaproxyDriver(
  context: ServiceContext,
  options: HaproxyDriverOptions,
): Promise<HaproxyDriver> {
  const files = await haproxyFiles(options.folder);
  const incumbents = readListeners(await readIfThere(files.config));
  return new Driver(context, { name: `haproxy@${hostname()}`, ...DEFAULTS, ...options }, { files, incumbents }).start();
}

type Settings = typeof DEFAULTS & HaproxyDriverOptions & { readonly name: string };

interface Found {
  readonly files: Awaited<ReturnType<typeof haproxyFiles>>;
  readonly incumbents: ReadonlyMap<string, string>;
}

class Driver implements HaproxyDriver {
  readonly name = 'haproxy-driver';
  readonly #context: ServiceContext;
  readonly #feed: TargetFeed;
  readonly #duty: DriverDuty;
  readonly #sync: HaproxySync;
  readonly #wanted: WantedProxies;

  constructor(context: ServiceContext, settings: Settings, { files, incumbents }: Found) {
    const { logger } = context;
    const { loadBalancerClass, balance, checkIntervalMs, bind, portOffset } = settings;
    this.#context = context;
    const metrics = createDriverMetrics(context.registry, () => ({
      revision: this.#sync.state.revision,
      isFailing: this.#sync.state.error !== '',
      holdsLease: this.#duty.holdsLease,
      refusedGroups: [...this.#wanted.current.notes.keys()].filter((key) => !this.#wanted.current.proxies.has(key))
        .length,
    }));
    this.#feed = new TargetFeed({
      loadBalancerClass,
      logger,
      onChange: (services) => this.#sync.note(services),
      onBadMessage: () => metrics.badMessages.inc(),
    });
    this.#duty = new DriverDuty(context, { ...settings, onDuty: () => this.#sync.noteAllowed() });
    this.#wanted = new WantedProxies({ defaults: { balance, checkIntervalMs }, bind, portOffset, incumbents });
    const control = new HaproxyControl({ ...settings, files, logger });
    this.#sync = new HaproxySync({
      ...settings,
      logger,
      feed: this.#feed,
      wanted: this.#wanted,
      metrics,
      changes: new ProgrammedChanges(context, loadBalancerClass),
      programmer: new Programmer(control, {
        socketPath: files.socket,
        statePath: files.state,
        maxConnections: settings.maxConnections,
        timeoutsMs: PROXY_TIMEOUTS_MS,
      }),
      isAllowed: () => this.#duty.isOnDuty,
      onStatus: (status) => this.#duty.note(status),
    });
  }

  get state(): SyncState {
    return this.#sync.state;
  }

  get holdsLease(): boolean {
    return this.#duty.holdsLease;
  }

  get failure(): Promise<never> {
    return this.#duty.failure;
  }

  start(): this {
    this.#duty.start([(signal) => followStream(this.#context, this.#feed, signal), (signal) => this.#sync.run(signal)]);
    return this;
  }

  stop(): Promise<void> {
    return this.#duty.stop();
  }

  /** Who waits for the lease is ready to take over. */
  readiness(): Readiness {
    const standby = this.#duty.standby();
    if (standby !== undefined) return standby;
    const { revision, error } = this.#sync.state;
    if (error !== '') return { isReady: false, reason: `HAProxy cannot be programmed: ${error}` };
    if (revision === 0) return { isReady: false, reason: 'the target groups have not come yet' };
    const { notes } = this.#wanted.current;
    return {
      isReady: true,
      reason: [...notes]
        .slice(0, 5)
        .map(([name, note]) => `${name}: ${note}`)
        .join('; '),
    };
  }
}
