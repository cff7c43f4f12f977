/** The API as a service: opens the store, keeps it up with the log, and serves it. */
import type { Server } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { errorText, SignalboxError } from '@signalbox/contracts';
import {
  type ApiAuth,
  failureSignal,
  formatAddress,
  type ListenAddress,
  patiently,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import { claimStore, type HistoryRetention, openStore, startProjector } from '@signalbox/store';
import { provideAdminToken } from './auth/admin-token.ts';
import { type Api, createApi } from './create-api.ts';
import { registerMetrics } from './metrics.ts';
import { readReadiness } from './readiness.ts';
import { readKeyPair, reloadKeyPair, type TlsFiles } from './tls.ts';

const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 100;
/** From the first byte of a request to the end of its headers, and to the end of its body. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Of a connection on which nothing moves: longer than the longest wait of a blocking query. */
const IDLE_TIMEOUT_MS = 330_000;
const MAX_CONNECTIONS = 20_000;
const DEFAULT_REQUESTS_PER_SECOND = 200;
const CLOSE_GRACE_MS = 1_000;

export interface ApiOptions {
  /** SQLite file; made if missing, and safe to delete while stopped. */
  readonly storePath: string;
  /** Port 0 takes a free one. */
  readonly listen: ListenAddress;
  readonly historyRetention?: Partial<HistoryRetention>;
  /** TTL of the records at the top of zones. */
  readonly ttlSeconds?: number;
  /** Default `auto`. */
  readonly auth?: ApiAuth;
  /** Where the first token is put when tokens are required; absent: none is made. */
  readonly adminTokenFile?: string;
  /** Of one client, when tokens are required. Default 200. */
  readonly requestsPerSecond?: number;
  /** Absent: without TLS. */
  readonly tls?: TlsFiles;
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
  { log, logger, registry, tracer, metricsToken }: ServiceContext,
  options: ApiOptions,
  { closers, stop }: { closers: (() => void | Promise<void>)[]; stop: () => Promise<void> },
): Promise<RunningApi> {
  const { storePath, listen, historyRetention, ttlSeconds, clusterCIDRs, hasExternalDns, tls } = options;
  const isTokenNeeded = isTokenRequired(options.auth ?? 'auto', isLoopback(listen.address));
  if (isTokenNeeded && options.adminTokenFile !== undefined) {
    const { adminTokenFile } = options;
    await patiently(() => provideAdminToken({ log, logger }, adminTokenFile));
  }
  closers.push(claimStore(storePath));
  const store = await openStore({ path: storePath });
  closers.push(() => store.close());
  const projector = await patiently(() =>
    startProjector({ store, log, logger, tracer, ...(historyRetention && { historyRetention }) }),
  );
  closers.push(() => projector.stop());
  const api = createApi({
    store,
    projector,
    log,
    hasExternalDns: hasExternalDns === true,
    registry,
    ...(metricsToken && { metricsToken }),
    logger,
    isLoopback: isLoopback(listen.address),
    isTokenRequired: isTokenNeeded,
    ...(isTokenNeeded && { requestsPerSecond: options.requestsPerSecond ?? DEFAULT_REQUESTS_PER_SECOND }),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(clusterCIDRs && { clusterCIDRs }),
  });
  const server = await createServer(api, tls);
  const { failure, fail } = failureSignal();
  projector.failure.catch(fail);
  const address = await listenOn(server, listen);
  server.on('error', fail);
  closers.push(() => closeServer(server, () => api.close()));
  if (tls !== undefined) closers.push(reloadKeyPair(server as HttpsServer, tls, logger));
  registerMetrics(registry, { ...api, store, projector });
  const url = `${tls === undefined ? 'http' : 'https'}://${formatAddress(address)}`;
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

function isTokenRequired(auth: ApiAuth, isLocal: boolean): boolean {
  return auth === 'token' || (auth === 'auto' && !isLocal);
}

/** Limits are those of slow and greedy clients; a blocking query may be silent for its whole wait. */
async function createServer(api: Api, tls: TlsFiles | undefined): Promise<Server> {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
  };
  const { fetch } = api.app;
  const server = (
    tls === undefined
      ? createAdaptorServer({ fetch, serverOptions: limits })
      : createAdaptorServer({
          fetch,
          createServer: createHttpsServer,
          serverOptions: { ...limits, ...(await readKeyPair(tls)), minVersion: 'TLSv1.2' },
        })
  ) as Server;
  server.timeout = IDLE_TIMEOUT_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  return server;
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
