/** The API as a service: opens the store, keeps it up with the log, and serves it. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { errorText, SignalboxError } from '@signalbox/contracts';
import {
  failureSignal,
  formatAddress,
  type ListenAddress,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import { type HistoryRetention, openStore, startProjector } from '@signalbox/store';
import { createApi } from './create-api.ts';
import { registerMetrics } from './metrics.ts';
import { readReadiness } from './readiness.ts';

const MAX_HEADER_BYTES = 16_384;
const CLOSE_GRACE_MS = 1_000;

export interface ApiOptions {
  /** SQLite file; made if missing, and safe to delete while stopped. */
  readonly storePath: string;
  /** Port 0 takes a free one. */
  readonly listen: ListenAddress;
  readonly historyRetention?: Partial<HistoryRetention>;
  /** TTL of the records at the top of zones. */
  readonly ttlSeconds?: number;
  /** Where pods live, for rules, unless a request says. */
  readonly clusterCIDRs?: readonly string[];
  /** Serve the webhook provider API of ExternalDNS below `/external-dns`. */
  readonly hasExternalDns?: boolean;
}

export interface RunningApi extends RunningService {
  readonly url: string;
  /** Resolves once all that the log holds now is answered for. */
  processAll(): Promise<void>;
}

/** What was opened is closed again when a later step fails. */
export async function startApi(context: ServiceContext, options: ApiOptions): Promise<RunningApi> {
  const closers: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    return await startParts(context, options, { closers, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  { log, logger, registry }: ServiceContext,
  { storePath, listen, historyRetention, ttlSeconds, clusterCIDRs, hasExternalDns }: ApiOptions,
  { closers, stop }: { closers: (() => void | Promise<void>)[]; stop: () => Promise<void> },
): Promise<RunningApi> {
  const store = await openStore({ path: storePath });
  closers.push(() => store.close());
  const projector = await startProjector({ store, log, logger, ...(historyRetention && { historyRetention }) });
  closers.push(() => projector.stop());
  const api = createApi({
    store,
    projector,
    log,
    hasExternalDns: hasExternalDns === true,
    registry,
    logger,
    isLoopback: isLoopback(listen.address),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(clusterCIDRs && { clusterCIDRs }),
  });
  const server = createAdaptorServer({
    fetch: api.app.fetch,
    serverOptions: { maxHeaderSize: MAX_HEADER_BYTES },
  }) as Server;
  const { failure, fail } = failureSignal();
  projector.failure.catch(fail);
  const address = await listenOn(server, listen);
  server.on('error', fail);
  closers.push(() => closeServer(server, () => api.close()));
  registerMetrics(registry, { store, projector, followers: api.followers, withdrawn: api.withdrawn });
  const url = `http://${formatAddress(address)}`;
  logger.info({ url, store: storePath }, 'the API is listening');
  return {
    name: 'api',
    url,
    failure,
    readiness: () => {
      const { isReady, missing } = readReadiness({ store, projector });
      return { isReady, reason: missing.join('; ') };
    },
    processAll: () => projector.processAll(),
    stop,
  };
}

function isLoopback(address: string): boolean {
  return address === '::1' || address === 'localhost' || address.startsWith('127.');
}

function listenOn(server: Server, { address, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = formatAddress({ address, port });
      reject(new SignalboxError('unavailable', `the API cannot listen on ${where}: ${errorText(cause)}`, { cause }));
    });
    server.listen({ host: address, port }, () => {
      server.removeAllListeners('error');
      resolve({ address, port: (server.address() as AddressInfo).port });
    });
  });
}

/** Ends streams first, then waits for answers under way; but not for a client that does not read its answer. */
function closeServer(server: Server, endStreams: () => void): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(giveUp);
      resolve();
    });
    endStreams();
    server.closeIdleConnections();
  });
}
