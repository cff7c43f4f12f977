/** What the routes work with. */
import type { EventLog } from '@signalbox/event-log';
import type { Logger, MetricsToken, Registry } from '@signalbox/kit';
import type { Projector, Store } from '@signalbox/store';

export interface ApiDependencies {
  readonly store: Store;
  /** Fills the store; its feed is what `/v1/changes` tells. */
  readonly projector: Pick<Projector, 'feed' | 'isCaughtUp' | 'onProgress' | 'processAll'>;
  /** Where intents are written; absent: they can only be read. */
  readonly log?: Pick<EventLog, 'append' | 'appendAll' | 'last' | 'info'>;
  /** Serve the webhook provider API of ExternalDNS below `/external-dns`. */
  readonly hasExternalDns?: boolean;
  /** Given out at `/metrics`. */
  readonly registry: Registry;
  /** Opens `/metrics` and `/readyz`, as API tokens do; where those are not asked for, `/metrics` asks for this one. */
  readonly metricsToken?: MetricsToken;
  readonly logger: Logger;
  /** Only this machine can reach it: then requests under any other host's name are refused. */
  readonly isLoopback?: boolean;
  /** Every request needs a token, but for health and documents. */
  readonly isTokenRequired?: boolean;
  /** Of one client; absent: as many as it likes. */
  readonly requestsPerSecond?: number;
  /** TTL of the records at the top of zones. Default 30 s. */
  readonly ttlSeconds?: number;
  /** How long a request waits for the revision that it asks for; for tests. */
  readonly revisionWaitMs?: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
  /** Where pods live, for rules, unless the request says. */
  readonly clusterCIDRs?: readonly string[];
}

export function nowMs({ now = Date.now }: Pick<ApiDependencies, 'now'>): number {
  return now();
}
