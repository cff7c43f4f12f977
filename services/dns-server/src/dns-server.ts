/** The DNS server: sockets, zones and the stream that feeds them, put together. */
import { failureSignal, type Readiness, type RunningService, type ServiceContext } from '@signalbox/kit';
import { type IndexedCluster, type PodMode, ZoneIndex } from '@signalbox/zones';
import { ClusterAcks, consumerName, type ServedCluster } from './cluster-acks.ts';
import { type FollowTarget, followDerived } from './follow-derived.ts';
import { followObjects, namespacesOf, type ObjectTarget, podsOf } from './follow-objects.ts';
import { Forwarder, type ForwardSettings } from './forward/forwarder.ts';
import { KeptAnswers } from './kept-answers.ts';
import { type Answerers, type Listener, openListener, reachableAddresses } from './listen.ts';
import { createDnsMetrics } from './metrics.ts';
import { QueryAcl } from './query-acl.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type Responder, respond, respondOverUdp } from './responder.ts';
import { Staleness } from './staleness.ts';
import { startTransfers, type TransferSettings } from './transfer/start-transfers.ts';
import type { ListenAddress } from './transport.ts';
import { ZoneFeed } from './zone-feed.ts';

export interface DnsServerOptions extends TransferSettings {
  /** UDP and TCP on each of these. */
  readonly listen: readonly ListenAddress[];
  /** TTL of the zones' own records, and of negative answers. */
  readonly ttlSeconds: number;
  /** What `ns.dns.ZONE` resolves to. Default: the addresses listened on. */
  readonly serverAddresses?: readonly string[];
  /** Longest UDP answer, whatever the asker offers. Default 1232, which no network has to fragment. */
  readonly maxUdpBytes?: number;
  /** A TCP connection without a whole question for so long is closed. Default 10 s. */
  readonly tcpIdleMs?: number;
  /** Per address listened on. Default 256. */
  readonly maxTcpConnections?: number;
  /** Which names of pods are answered. Default `insecure`. */
  readonly pods?: PodMode;
  /** `RANGE` or `ZONE=RANGE`: who may ask. Default: everybody. */
  readonly allowQuery?: readonly string[];
  /** UDP answers of one kind to one network, a second. Default: no limit. */
  readonly rateLimit?: number;
  /** Of the answers over the limit, each so many-th is sent truncated. Default 2. */
  readonly rateLimitSlip?: number;
  /** Names outside the zones. Default: refused. */
  readonly forward?: ForwardSettings;
  /** Between two acknowledgements of one cluster. Default 1 s. */
  readonly ackIntervalMs?: number;
}

export interface DnsServer extends RunningService {
  /** As listened on, with the ports that were taken. */
  readonly addresses: readonly ListenAddress[];
}

const MAX_UDP_BYTES = 1232;

/** Serves at once, SERVFAIL until the first clusters are synced. Throws `invalid` for options that cannot work. */
export async function startDnsServer(context: ServiceContext, options: DnsServerOptions): Promise<DnsServer> {
  const { ttlSeconds } = options;
  const serverAddresses = options.serverAddresses ?? reachableAddresses(options.listen);
  const index = new ZoneIndex({ ttlSeconds, serverAddresses, ...(options.pods && { pods: options.pods }) });
  const staleness = new Staleness();
  const forwarder = options.forward && new Forwarder(options.forward);
  const metrics = createDnsMetrics(context.registry, { index, staleness, forwarder });
  const transfers = startTransfers(context, index, options);
  const responder: Responder = {
    index,
    metrics,
    logger: context.logger,
    transfers,
    maxUdpBytes: options.maxUdpBytes ?? MAX_UDP_BYTES,
    acl: new QueryAcl(options.allowQuery ?? []),
    rateLimiter: rateLimiterOf(options),
    forwarder,
  };
  const listeners = await openListeners(responder, options).catch(async (error: unknown) => {
    await transfers.stop();
    throw error;
  });
  const addresses = listeners.map((listener) => listener.address);
  const acks = new ClusterAcks(context, {
    consumer: consumerName(addresses),
    intervalMs: options.ackIntervalMs ?? 1000,
  });
  const feed = new ZoneFeed({
    index,
    logger: context.logger,
    onBadMessage: () => metrics.badMessages.inc(),
    onServed: (state) => {
      transfers.onServed(state);
      acks.note(servedClusters(index, feed), Date.now());
    },
  });
  const { failure, fail } = failureSignal();
  // Such as no free descriptor for a connection: it passes, and ending the process would help whoever caused it.
  for (const listener of listeners) listener.onError((err) => context.logger.error({ err }, 'socket error'));
  const stopping = new AbortController();
  const targets = [namespacesOf(index), ...(options.pods === 'verified' ? [podsOf(index)] : [])];
  const following = followAll(context, targets, { feed, staleness, signal: stopping.signal }).catch(fail);
  context.logger.info({ addresses }, 'answering DNS');
  return {
    name: 'dns-server',
    addresses,
    failure,
    readiness: () => readinessOf(index, feed),
    stop: async () => {
      stopping.abort();
      forwarder?.close();
      const stopped = stopListeners(listeners.splice(0));
      await Promise.all([stopped, following, transfers.stop()]);
      await acks.stop();
    },
  };
}

/** Records come after the objects: a name that the objects make must not be denied because they have yet to come. */
async function followAll(
  context: ServiceContext,
  targets: readonly ObjectTarget[],
  records: FollowTarget,
): Promise<void> {
  const { signal } = records;
  const ends: Promise<void>[] = [];
  const known = targets.map(
    (target) =>
      new Promise<void>((onCaughtUp) => {
        ends.push(followObjects(context, target, { signal, onCaughtUp }).finally(onCaughtUp));
      }),
  );
  await Promise.all(known);
  await Promise.all([...ends, followDerived(context, records)]);
}

function rateLimiterOf({ rateLimit, rateLimitSlip = 2 }: DnsServerOptions): RateLimiter | undefined {
  return rateLimit === undefined ? undefined : new RateLimiter({ perSecond: rateLimit, slip: rateLimitSlip });
}

async function openListeners(responder: Responder, options: DnsServerOptions): Promise<Listener[]> {
  const kept = new KeptAnswers(responder.index, responder);
  const answerers: Answerers = {
    udp: (packet, peer) => respondOverUdp(responder, kept, packet, peer),
    tcp: (packet, peer) => respond(responder, { packet, protocol: 'tcp', peer }),
  };
  const settings = { idleMs: options.tcpIdleMs ?? 10_000, maxConnections: options.maxTcpConnections ?? 256 };
  const listeners: Listener[] = [];
  try {
    for (const wanted of options.listen) {
      listeners.push(await openListener(wanted, answerers, settings));
    }
    return listeners;
  } catch (error) {
    await stopListeners(listeners);
    throw error;
  }
}

async function stopListeners(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}

function servedClusters(index: ZoneIndex, feed: ZoneFeed): ServedCluster[] {
  const revision = feed.watermark?.revision ?? 0;
  const rejected = new Set(index.rejectedClusters);
  const errorOf = ({ name, isSynced }: IndexedCluster): string => {
    if (rejected.has(name)) return 'its domain is invalid or belongs to another cluster';
    return isSynced ? '' : 'it is not synced';
  };
  return feed.clusters.map((cluster) => ({ name: cluster.name, revision, error: errorOf(cluster) }));
}

function readinessOf(index: ZoneIndex, feed: ZoneFeed): Readiness {
  const clusters = Object.keys(feed.watermark?.clusters ?? {});
  if (feed.watermark === undefined) return { isReady: false, reason: 'the derived records have not come yet' };
  if (clusters.length === 0) return { isReady: false, reason: 'no cluster has synced yet' };
  const unavailable = index.zones().filter((zone) => zone.state === 'unavailable');
  const reasons = [
    ...unavailable.map((zone) => `${zone.name} is not synced`),
    ...index.rejectedZones.map((name) => `${name} is not served: it lies in the domain of a cluster`),
    ...index.rejectedClusters.map((name) => `cluster ${name} is not served: its domain is invalid or taken`),
  ];
  return { isReady: true, reason: reasons.join('; ') };
}
