/**
 * The whole control plane in one process: event log, watcher, workers, DNS server, API. Started from the end of the flow
 * to its beginning, so that nobody has to wait for a reader, and stopped the other way round.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type RunningApi, startApi } from '@signalbox/api';
import { startApiWatcher } from '@signalbox/api-watcher';
import { errorText, SignalboxError, type SourceStatus } from '@signalbox/contracts';
import { type AnswerSettings, type DnsServer, startDnsServer, type TransferSettings } from '@signalbox/dns-server';
import { dnsWorker } from '@signalbox/dns-worker';
import {
  type EventLog,
  type JetStreamEventLogOptions,
  openJetStreamEventLog,
  openSqliteEventLog,
} from '@signalbox/event-log';
import {
  type AccessSettings,
  createRegistry,
  type ListenAddress,
  type Logger,
  type MetricsToken,
  type Readiness,
  type RunningService,
  type RunningWorkers,
  readinessOf,
  type ServiceContext,
  startWorkers,
} from '@signalbox/kit';
import type { Source } from '@signalbox/kube';
import { lbWorker, startAddressAllocator, startTargetGroups } from '@signalbox/lb-worker';
import { proxyWorker } from '@signalbox/proxy-worker';

export interface PlaneOptions {
  readonly dataDir: string;
  /** JetStream servers; absent: the event log is kept in the data folder. */
  readonly nats?: Omit<JetStreamEventLogOptions, 'name'>;
  readonly sources: readonly Source[];
  /** Clusters to delete from the log. */
  readonly forget?: readonly string[];
  readonly apiListen: ListenAddress;
  /** Absent: no DNS server. */
  readonly dnsListen?: ListenAddress;
  readonly dnsTtlSeconds: number;
  /** Keys, secondaries and copies of the DNS server. */
  readonly dnsAnswers?: AnswerSettings;
  readonly dnsTransfers?: TransferSettings;
  readonly clusterCIDRs: readonly string[];
  /** How far back `?revision=` reaches; what is absent is the store's default. */
  readonly historyRetention?: { readonly maxRevisions?: number; readonly maxAgeMs?: number };
  readonly hasExternalDns?: boolean;
  /** Who may ask the API, and over what. */
  readonly apiAccess?: AccessSettings;
  readonly metricsToken?: MetricsToken;
  readonly logger: Logger;
  readonly onStatus?: (status: SourceStatus) => void;
}

export interface Plane {
  readonly log: EventLog;
  readonly workers: RunningWorkers;
  readonly api: RunningApi;
  readonly dns: DnsServer | undefined;
  readiness(): Readiness;
  /** Rejects when a part can no longer do its work. */
  readonly failure: Promise<never>;
  stop(): Promise<void>;
}

/** What was opened is closed again when a later part fails to start. */
export async function startPlane(options: PlaneOptions): Promise<Plane> {
  const closers: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    return await startParts(options, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  options: PlaneOptions,
  closers: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Plane> {
  const log = await openLog(options);
  closers.push(() => log.close());
  const { logger, metricsToken } = options;
  const context: ServiceContext = { log, logger, registry: createRegistry(), ...(metricsToken && { metricsToken }) };
  const started = async <S extends RunningService>(starting: Promise<S>): Promise<S> => {
    const service = await starting;
    closers.push(() => service.stop());
    return service;
  };
  const api = await started(startApi(context, apiOptions(options)));
  const { dnsListen, dnsTtlSeconds, dnsAnswers, dnsTransfers } = options;
  const dnsSettings = { ...dnsAnswers, ...dnsTransfers, ttlSeconds: dnsTtlSeconds };
  const dns = dnsListen && (await started(startDnsServer(context, { ...dnsSettings, listen: [dnsListen] })));
  const targets = await started(startTargetGroups(context));
  const layers = [proxyWorker, dnsWorker({ ttlSeconds: dnsTtlSeconds }), lbWorker];
  const workers = await started(startWorkers(context, layers));
  const addresses = await started(Promise.resolve(startAddressAllocator(context)));
  const { sources, forget = [], onStatus } = options;
  const watcher = await started(startApiWatcher(context, { sources, forget, ...(onStatus && { onStatus }) }));
  const services: RunningService[] = [watcher, workers, addresses, targets, ...(dns === undefined ? [] : [dns]), api];
  return {
    log,
    workers,
    api,
    dns,
    readiness: () => readinessOf(services),
    failure: Promise.race(services.map((service) => service.failure)),
    stop,
  };
}

async function openLog({ dataDir, nats }: PlaneOptions): Promise<EventLog> {
  try {
    await makeFolder(dataDir);
  } catch (cause) {
    throw new SignalboxError('invalid', `cannot use the data folder ${dataDir}: ${errorText(cause)}`, { cause });
  }
  if (nats !== undefined) return await openJetStreamEventLog({ ...nats, name: 'signalbox-up' });
  return openSqliteEventLog({ path: join(dataDir, 'events.db') });
}

/** With the folders above it, for its owner only: it holds what all clusters have. Not `recursive`, which in Node 20 never ends where folders cannot be made, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent);
  await mkdir(path, { mode: 0o700 });
}

function apiOptions(options: PlaneOptions) {
  const { dataDir, apiListen, dnsTtlSeconds, clusterCIDRs, historyRetention, hasExternalDns } = options;
  return {
    ...options.apiAccess,
    adminTokenFile: join(dataDir, 'admin.token'),
    listen: apiListen,
    ttlSeconds: dnsTtlSeconds,
    clusterCIDRs,
    hasExternalDns: hasExternalDns === true,
    storePath: join(dataDir, 'store.db'),
    ...(historyRetention && { historyRetention }),
  };
}
