/** What the routes work with. */
import type { EventLog } from '@signalbox/event-log';
import type { Logger, Registry } from '@signalbox/kit';
import type { Projector, Store } from '@signalbox/store';

export interface ApiDependencies {
  readonly store: Store;
  /** Fills the store; its feed is what `/v1/changes` tells. */
  readonly projector: Pick<Projector, 'feed' | 'isCaughtUp' | 'processAll'>;
  /** Where intents are written; absent: they can only be read. */
  readonly log?: Pick<EventLog, 'append' | 'appendAll' | 'last'>;
  /** Serve the webhook provider API of ExternalDNS below `/external-dns`. */
  readonly hasExternalDns?: boolean;
  /** Given out at `/metrics`. */
  readonly registry: Registry;
  readonly logger: Logger;
  /** Only this machine can reach it: then requests under any other host's name are refused. */
  readonly isLoopback?: boolean;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
  /** TTL of the records at the top of zones. Default 30 s. */
  readonly ttlSeconds?: number;
  /** Where pods live, for rules, unless the request says. */
  readonly clusterCIDRs?: readonly string[];
}
