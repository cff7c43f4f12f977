/** A real DNS server on loopback, fed through a real event log. */
import {
  type DerivedMessage,
  derivedSubject,
  type RecordSet,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import { type DnsServer, type DnsServerOptions, startDnsServer } from '@signalbox/dns-server';
import { type AppendEntry, type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type ServiceContext } from '@signalbox/kit';

export interface DnsLab extends ServiceContext {
  readonly server: DnsServer;
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startDnsLab(
  options: Partial<DnsServerOptions> = {},
  log = openMemoryLog(),
  start = startDnsServer,
): Promise<DnsLab> {
  const context = {
    log,
    logger: createLogger({ component: 'dns-server', level: 'silent' }),
    registry: createRegistry(),
  };
  const listen = [{ address: '127.0.0.1', port: 0 }];
  const server = await start(context, { listen, ttlSeconds: 30, ...options });
  return {
    ...context,
    server,
    port: server.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await log.close();
    },
  };
}

function openMemoryLog(): EventLog {
  return openSqliteEventLog({ path: ':memory:' });
}

export function documentEntry(recordSet: RecordSet, revision = 1): AppendEntry {
  const message: DerivedMessage<RecordSet> = {
    revision,
    changedAtMs: 0,
    contentHash: '',
    document: recordSet,
    skipped: [],
  };
  return { subject: derivedSubject('dns', recordSet), data: JSON.stringify(message) };
}

export function watermarkEntry(revision: number, clusters: Watermark['clusters']): AppendEntry {
  const watermark: Watermark = { layer: 'dns', revision, clusters, skippedServices: 0 };
  return { subject: watermarkSubject('dns'), data: JSON.stringify(watermark) };
}

export async function waitFor(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
