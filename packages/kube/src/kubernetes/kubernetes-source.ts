/** A Kubernetes API server as a source: one reflector per kind, each on its own, so that one kind never stops another. */
import { SignalboxError, SOURCE_KINDS, type SourceKind } from '@signalbox/contracts';
import type { Source, SourceLogger, SourceSink } from '../source.ts';
import { ApiClient } from './api-client.ts';
import { type ClusterAccess, loadClusterConfig } from './cluster-config.ts';
import { Reflector, type ReflectorSettings } from './reflector.ts';
import { KIND_RESOURCES } from './resources.ts';

export interface KubernetesSourceOptions extends ClusterAccess {
  readonly cluster: string;
  /** DNS domain of the cluster, without trailing dot. The API does not tell it. */
  readonly domain: string;
  readonly kinds?: readonly SourceKind[];
  /** Objects per page of a list. */
  readonly pageSize?: number;
  readonly logger?: SourceLogger;
  /** How patient the source is; the defaults suit a real API server. */
  readonly times?: Partial<KubernetesSourceTimes>;
  /** Longest line of a watch: an object is at most about 1.5 MiB in etcd, and a little more as JSON. */
  readonly maxLineBytes?: number;
  /** Epoch milliseconds; a test may set it. */
  readonly now?: () => number;
  /** In [0, 1); a test may set it. */
  readonly random?: () => number;
}

export interface KubernetesSourceTimes {
  /** A silent connection is cut after this. API servers send a bookmark about every 60 s. */
  readonly idleTimeoutMs: number;
  /** Shortest time after which a watch is ended in good order and resumed; the longest is twice that (as client-go). */
  readonly watchTimeoutMs: number;
  /** A watch that lasted this long was healthy: earlier failures no longer count. */
  readonly healthyAfterMs: number;
  readonly backOffBaseMs: number;
  readonly backOffCapMs: number;
  /** About how often a kind is tried again that is unauthorized, forbidden or missing. */
  readonly slowRetryMs: number;
  /** Shortest time between two reports of one kind. */
  readonly statusIntervalMs: number;
}

const DEFAULT_TIMES: KubernetesSourceTimes = {
  idleTimeoutMs: 75_000,
  watchTimeoutMs: 300_000,
  healthyAfterMs: 10_000,
  backOffBaseMs: 400,
  backOffCapMs: 30_000,
  slowRetryMs: 30_000,
  statusIntervalMs: 250,
};

/** A page holds 500 objects of at most a few megabytes; what is larger than this is no list. */
const MAX_PAGE_BYTES = 256 * 1024 * 1024;

const SILENT: SourceLogger = { info: () => undefined, warn: () => undefined };

/** Throws `invalid` when the kubeconfig cannot be read or lacks the context. Whether the cluster answers shows later. */
export function kubernetesSource(options: KubernetesSourceOptions): Source {
  const times = { ...DEFAULT_TIMES, ...options.times };
  const api = new ApiClient({ load: () => loadClusterConfig(options), idleTimeoutMs: times.idleTimeoutMs });
  const abort = new AbortController();
  const kinds = [...new Set(options.kinds ?? SOURCE_KINDS)];
  let running: Promise<unknown> | undefined;
  return {
    cluster: options.cluster,
    domain: options.domain,
    type: 'kubernetes',
    kinds,
    async start(sink) {
      if (running !== undefined) throw new SignalboxError('invalid', `source ${options.cluster} was started before`);
      const reflectors = kinds.map((kind) => createReflector(kind, api, sink, times, options));
      running = Promise.all(reflectors.map((reflector) => reflector.run(abort.signal)));
    },
    async stop() {
      abort.abort();
      await running;
    },
  };
}

function createReflector(
  kind: SourceKind,
  api: ApiClient,
  sink: SourceSink,
  times: KubernetesSourceTimes,
  options: KubernetesSourceOptions,
): Reflector {
  const settings: ReflectorSettings = {
    pageSize: options.pageSize ?? 500,
    watchTimeoutMs: times.watchTimeoutMs,
    healthyAfterMs: times.healthyAfterMs,
    statusIntervalMs: times.statusIntervalMs,
    maxLineBytes: options.maxLineBytes ?? 16 * 1024 * 1024,
    maxPageBytes: MAX_PAGE_BYTES,
    backOff: { baseMs: times.backOffBaseMs, capMs: times.backOffCapMs, slowMs: times.slowRetryMs },
  };
  return new Reflector({
    cluster: options.cluster,
    resource: KIND_RESOURCES[kind],
    api,
    sink,
    logger: options.logger ?? SILENT,
    settings,
    now: options.now ?? Date.now,
    random: options.random ?? Math.random,
  });
}
