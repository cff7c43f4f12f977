/** The DNS server: sockets, zones and the stream that feeds them, put together. */
import { failureSignal, type Readiness, type RunningService, type ServiceContext } from '@signalbox/kit';
import { ZoneIndex } from '@signalbox/zones';
import { followDerived } from './follow-derived.ts';
import { type Listener, openListener, reachableAddresses } from './listen.ts';
import { createDnsMetrics } from './metrics.ts';
import { type Protocol, type Responder, respond } from './responder.ts';
import { Staleness } from './staleness.ts';
import { transferClients } from './transfer-clients.ts';
import type { ListenAddress } from './transport.ts';
import { ZoneFeed } from './zone-feed.ts';

export interface DnsServerOptions {
  /** UDP and TCP on each of these. */
  readonly listen: readonly ListenAddress[];
  /** TTL of the zones' own records, and of negative answers. */
  readonly ttlSeconds: number;
  /** What `ns.dns.ZONE` resolves to. Default: the addresses listened on. */
  readonly serverAddresses?: readonly string[];
  /** Addresses and ranges that may transfer zones. Default: loopback. */
  readonly transferTo?: readonly string[];
  /** Longest UDP answer, whatever the asker offers. Default 1232, which no network has to fragment. */
  readonly maxUdpBytes?: number;
  /** A TCP connection without a whole question for so long is closed. Default 10 s. */
  readonly tcpIdleMs?: number;
  /** Per address listened on. Default 256. */
  readonly maxTcpConnections?: number;
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
  const index = new ZoneIndex({ ttlSeconds, serverAddresses });
  const staleness = new Staleness();
  const metrics = createDnsMetrics(context.registry, { index, staleness });
  const feed = new ZoneFeed({ index, logger: context.logger, onBadMessage: () => metrics.badMessages.inc() });
  const responder: Responder = {
    index,
    metrics,
    logger: context.logger,
    transferClients: transferClients(options.transferTo),
    maxUdpBytes: options.maxUdpBytes ?? MAX_UDP_BYTES,
  };
  const listeners = await openListeners(responder, options);
  const { failure, fail } = failureSignal();
  // Such as no free descriptor for a connection: it passes, and ending the process would help whoever caused it.
  for (const listener of listeners) listener.onError((err) => context.logger.error({ err }, 'socket error'));
  const stopping = new AbortController();
  const following = followDerived(context, { feed, staleness, signal: stopping.signal }).catch(fail);
  const addresses = listeners.map((listener) => listener.address);
  context.logger.info({ addresses }, 'answering DNS');
  return {
    name: 'dns-server',
    addresses,
    failure,
    readiness: () => readinessOf(index, feed),
    stop: async () => {
      stopping.abort();
      const stopped = stopListeners(listeners.splice(0));
      await Promise.all([stopped, following]);
    },
  };
}

async function openListeners(responder: Responder, options: DnsServerOptions): Promise<Listener[]> {
  const answerOver = (protocol: Protocol) => (packet: Uint8Array, peer: string) =>
    respond(responder, { packet, protocol, peer });
  const settings = { idleMs: options.tcpIdleMs ?? 10_000, maxConnections: options.maxTcpConnections ?? 256 };
  const listeners: Listener[] = [];
  try {
    for (const wanted of options.listen) {
      listeners.push(await openListener(wanted, { udp: answerOver('udp'), tcp: answerOver('tcp') }, settings));
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
