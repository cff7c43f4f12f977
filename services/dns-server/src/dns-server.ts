/** The DNS server: sockets, zones and the stream that feeds them, put together. */
import { failureSignal, type Readiness, type RunningService, type ServiceContext, traceApplied } from '@signalbox/kit';
import { type IndexedCluster, ZoneIndex } from '@signalbox/zones';
import { ClusterAcks, consumerName, type ServedCluster } from './cluster-acks.ts';
import type { DnsServerOptions } from './dns-server-options.ts';
import { type FollowTarget, followDerived } from './follow-derived.ts';
import { followObjects, namespacesOf, type ObjectTarget, podsOf } from './follow-objects.ts';
import { Forwarder } from './forward/forwarder.ts';
import { KeptAnswers, quickAnswers } from './kept-answers.ts';
import { type Answerers, type Listener, openListener, reachableAddresses } from './listen.ts';
import { createDnsMetrics } from './metrics.ts';
import { chooseReceiver } from './open-receiver.ts';
import { rateLimitOf, startAnswerProcesses, toldTo } from './processes/start-answer-processes.ts';
import { QueryAcl } from './query-acl.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type Responder, respond, respondOverUdp } from './responder.ts';
import { Staleness } from './staleness.ts';
import { type RunningTransfers, startTransfers } from './transfer/start-transfers.ts';
import type { ListenAddress } from './transport.ts';
import { ZoneFeed } from './zone-feed.ts';

export interface DnsServer extends RunningService {
  /** As listened on, with the ports that were taken. */
  readonly addresses: readonly ListenAddress[];
}

const MAX_UDP_BYTES = 1232;

/** Serves at once, SERVFAIL until the first clusters are synced. Throws `invalid` for options that cannot work. */
export async function startDnsServer(context: ServiceContext, options: DnsServerOptions): Promise<DnsServer> {
  const serverAddresses = options.serverAddresses ?? reachableAddresses(options.listen);
  const staleness = new Staleness();
  const responder = createResponder(context, { ...options, serverAddresses }, staleness);
  const { index, metrics, transfers } = responder;
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
      noteServed();
    },
    onChanges: (changes, revision) => {
      const nowMs = Date.now();
      metrics.recordServed(changes);
      const traces = changes.map(({ trace }) => trace);
      traceApplied(context.tracer, traces, { name: 'apply dns', startMs: nowMs, endMs: nowMs, revision });
    },
  });
  const onRevision = () => noteServed();
  const objects = knownObjects();
  const main = { responder, listeners, serverAddresses, onRevision, isReady: objects.areKnown };
  const others = startAnswerProcesses(context, options, main);
  const noteServed = () => {
    const revision = Math.min(feed.watermark?.revision ?? Number.NaN, others.revision ?? Number.NaN);
    // Not known while the stream comes again, or a process begins to answer: what was told stays true.
    if (!Number.isNaN(revision)) acks.note(servedClusters(index, feed, revision), Date.now());
  };
  const { failure, fail } = failureSignal();
  // Such as no free descriptor for a connection: it passes, and ending the process would help whoever caused it.
  for (const listener of listeners) listener.onError((err) => context.logger.error({ err }, 'socket error'));
  const stopping = new AbortController();
  const names = toldTo(others, index);
  const targets = [namespacesOf(names), ...(options.pods === 'verified' ? [podsOf(names)] : [])];
  const records = { feed, staleness, signal: stopping.signal };
  const following = followAll(context, targets, records, objects.setKnown).catch(fail);
  context.logger.info({ addresses }, 'answering DNS');
  return {
    name: 'dns-server',
    addresses,
    failure,
    readiness: () => readinessOf(index, feed),
    stop: async () => {
      stopping.abort();
      responder.forwarder?.close();
      const stopped = stopListeners(listeners.splice(0));
      await Promise.all([stopped, following, transfers.stop(), others.stop()]);
      await acks.stop();
    },
  };
}

function knownObjects(): { areKnown: Promise<void>; setKnown: () => void } {
  let setKnown = (): void => {};
  const areKnown = new Promise<void>((resolve) => {
    setKnown = resolve;
  });
  return { areKnown, setKnown };
}

/** Records come after the objects: a name that the objects make must not be denied because they have yet to come. */
async function followAll(
  context: ServiceContext,
  targets: readonly ObjectTarget[],
  records: FollowTarget,
  onObjectsKnown: () => void,
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
  onObjectsKnown();
  await Promise.all([...ends, followDerived(context, records)]);
}

function createResponder(
  context: ServiceContext,
  options: DnsServerOptions,
  staleness: Staleness,
): Responder & { readonly transfers: RunningTransfers } {
  const { ttlSeconds, serverAddresses, pods, allowQuery = [], forward, maxUdpBytes = MAX_UDP_BYTES } = options;
  const settings = { ttlSeconds, ...(serverAddresses && { serverAddresses }), ...(pods && { pods }) };
  const index = new ZoneIndex(settings);
  const rateLimit = rateLimitOf(options);
  const forwarder = forward && new Forwarder(forward);
  return {
    index,
    metrics: createDnsMetrics(context.registry, { index, staleness, forwarder }),
    logger: context.logger,
    transfers: startTransfers(context, index, options),
    maxUdpBytes,
    acl: new QueryAcl(allowQuery),
    rateLimiter: rateLimit && new RateLimiter(rateLimit),
    forwarder,
  };
}

async function openListeners(responder: Responder, options: DnsServerOptions): Promise<Listener[]> {
  const kept = new KeptAnswers(responder.index, responder);
  const answerers: Answerers = {
    udp: {
      quick: quickAnswers(responder, kept),
      answer: (packet, { address }) => respondOverUdp(responder, kept, packet, address),
    },
    tcp: (packet, peer) => respond(responder, { packet, protocol: 'tcp', peer }),
  };
  const { kind: receiver, reason } = chooseReceiver(options.udpReceiver);
  const { tcpIdleMs: idleMs = 10_000, maxTcpConnections: maxConnections = 256 } = options;
  const settings = { idleMs, maxConnections, receiver };
  responder.logger.info({ receiver, ...(reason && { reason }) }, 'UDP receiver chosen');
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

/** At the revision that every process has reached: each may be the one that is asked. */
function servedClusters(index: ZoneIndex, feed: ZoneFeed, revision: number): ServedCluster[] {
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
