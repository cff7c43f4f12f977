import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { derivedSubject, type RecordSet, SignalboxError, watermarkSubject } from '@signalbox/contracts';
import { type AppendEntry, type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type ServiceContext } from '@signalbox/kit';
import dnsPacket from 'dns-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import type { DnsServerOptions } from './dns-server-options.ts';

interface Lab extends ServiceContext {
  readonly server: DnsServer;
  readonly port: number;
}

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function aLab(options: Partial<DnsServerOptions> = {}, log = aLog()): Promise<Lab> {
  const logger = createLogger({ component: 'dns-server', level: 'silent' });
  const context = { log, logger, registry: createRegistry() };
  const listen = [{ address: '127.0.0.1', port: 0 }];
  const server = await startDnsServer(context, { listen, ttlSeconds: 30, ...options });
  cleanups.push(() => server.stop());
  return { ...context, server, port: server.addresses[0]?.port ?? 0 };
}

function aLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  cleanups.push(() => log.close());
  return log;
}

function aDocument(name: string, address: string, cluster = 'shop'): AppendEntry {
  const key = { cluster, namespace: 'ns', name };
  const record = { name: `${name}.ns.svc.cluster.local.`, ttlSeconds: 30, type: 'A' as const, address };
  const document: RecordSet = { ...key, records: [record] };
  const message = { revision: 1, changedAtMs: 0, contentHash: '', document, skipped: [] };
  return { subject: derivedSubject('dns', key), data: JSON.stringify(message) };
}

function aWatermark(revision: number, clusters: string[] = ['shop'], domain = 'cluster.local'): AppendEntry {
  const domains = Object.fromEntries(clusters.map((name) => [name, { domain }]));
  const watermark = { layer: 'dns', revision, clusters: domains, skippedServices: 0 };
  return { subject: watermarkSubject('dns'), data: JSON.stringify(watermark) };
}

function aQuestion(service: string, id = 1): Buffer {
  const questions = [{ name: `${service}.ns.svc.cluster.local`, type: 'A' as const }];
  return dnsPacket.encode({ type: 'query', id, questions });
}

/** `CODE ADDRESS…` over UDP. */
async function ask(port: number, service: string, address = '127.0.0.1'): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.send(aQuestion(service), port, address);
    const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return answerText(message);
  } finally {
    socket.close();
  }
}

function answerText(message: Buffer): string {
  const { answers = [], ...rest } = dnsPacket.decode(message);
  const { rcode } = rest as unknown as { rcode: string };
  return [rcode, ...answers.flatMap((answer) => (answer.type === 'A' ? [answer.data] : []))].join(' ');
}

async function waitUntil(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('timed out');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function waitForAnswer(port: number, service: string, expected: string): Promise<void> {
  let answer = '';
  await waitUntil(async () => {
    answer = await ask(port, service);
    return answer === expected;
  }).catch(() => expect(answer).toBe(expected));
}

describe('no partial truth', () => {
  test('SERVFAIL until the watermark lists the cluster, and again when it no longer does', async () => {
    const { log, server, port } = await aLab();
    expect(await ask(port, 'web')).toBe('SERVFAIL');
    expect(server.readiness()).toMatchObject({ isReady: false });
    await log.appendAll('derived', [aDocument('web', '10.0.0.1'), aWatermark(1, [])]);
    await waitUntil(() => server.readiness().reason === 'no cluster has synced yet');
    expect(await ask(port, 'web')).toBe('SERVFAIL');
    await log.appendAll('derived', [aWatermark(2)]);
    await waitForAnswer(port, 'web', 'NOERROR 10.0.0.1');
    expect(server.readiness()).toEqual({ isReady: true, reason: '' });
    expect(await ask(port, 'nosuch')).toBe('NXDOMAIN');
    await log.appendAll('derived', [aWatermark(3, [])]);
    await waitForAnswer(port, 'web', 'SERVFAIL');
    expect(server.readiness()).toMatchObject({ isReady: false });
  });

  test('a restart serves what the log holds', async () => {
    const log = aLog();
    await log.appendAll('derived', [aDocument('web', '10.0.0.1'), aWatermark(1), aDocument('late', '10.0.0.2')]);
    const { port, server } = await aLab({}, log);
    await waitUntil(() => server.readiness().isReady);
    expect([await ask(port, 'web'), await ask(port, 'late')]).toEqual(['NOERROR 10.0.0.1', 'NOERROR 10.0.0.2']);
  });

  test('of two clusters with one domain the first by name is served, the other reported', async () => {
    const log = aLog();
    const documents = [aDocument('web', '10.0.0.1', 'b'), aDocument('web', '10.0.0.2', 'a')];
    await log.appendAll('derived', [...documents, aWatermark(1, ['b', 'a'])]);
    const { port, server } = await aLab({}, log);
    await waitForAnswer(port, 'web', 'NOERROR 10.0.0.2');
    expect(server.readiness()).toEqual({
      isReady: true,
      reason: 'cluster b is not served: its domain is invalid or taken',
    });
  });
});

describe('while the log is away', () => {
  test('the last good answers go on, and get stale', async () => {
    const { log, port, server, registry } = await aLab();
    await log.appendAll('derived', [aDocument('web', '10.0.0.1'), aWatermark(1)]);
    await waitUntil(() => server.readiness().isReady);
    const staleness = async () => {
      const metric = await registry.getSingleMetric('signalbox_dns_staleness_seconds')?.get();
      return metric?.values[0]?.value ?? Number.NaN;
    };
    expect(await staleness()).toBe(0);
    await log.close();
    await waitUntil(async () => (await staleness()) > 0);
    expect(await ask(port, 'web')).toBe('NOERROR 10.0.0.1');
  });

  test('a follow that breaks is taken up again, from the beginning where its position is too old', async () => {
    const log = aLog();
    const breaks = [new SignalboxError('unavailable', 'away'), new SignalboxError('expired', 'too old')];
    const froms: unknown[] = [];
    const breaking: EventLog = Object.create(log, {
      id: { get: () => log.id },
      state: { get: () => log.state },
      onStateChange: { value: log.onStateChange.bind(log) },
      follow: {
        value: async function* (...[stream, options]: Parameters<EventLog['follow']>) {
          const isDerived = stream === 'derived';
          if (isDerived) froms.push(options.from);
          for await (const batch of log.follow(stream, options)) {
            yield batch;
            const error = isDerived && batch.isCaughtUp ? breaks.shift() : undefined;
            if (error !== undefined) throw error;
          }
        },
      },
    });
    const entries = [aDocument('web', '10.0.0.1'), aDocument('gone', '10.0.0.1'), aWatermark(1)];
    await log.appendAll('derived', entries);
    const { port } = await aLab({}, breaking);
    await waitForAnswer(port, 'web', 'NOERROR 10.0.0.1');
    const tombstone = { ...aDocument('gone', '10.0.0.1'), data: null };
    await log.appendAll('derived', [tombstone, aDocument('web', '10.0.0.2'), aWatermark(2)]);
    await waitForAnswer(port, 'web', 'NOERROR 10.0.0.2');
    await waitForAnswer(port, 'gone', 'NXDOMAIN');
    await waitUntil(() => froms.length === 3);
    expect(froms).toEqual(['snapshot', 3, 'snapshot']);
    expect(await ask(port, 'web')).toBe('NOERROR 10.0.0.2');
  });
});

describe('listening', () => {
  test('on several addresses, of both families', async () => {
    const listen = [
      { address: '127.0.0.1', port: 0 },
      { address: '::1', port: 0 },
    ];
    const { server } = await aLab({ listen });
    for (const { address, port } of server.addresses) expect(await ask(port, 'web', address)).toBe('SERVFAIL');
  });

  test('a port that is taken is said, and nothing stays open', async () => {
    const { port } = await aLab();
    const listen = [
      { address: '127.0.0.2', port: 0 },
      { address: '127.0.0.1', port },
    ];
    await expect(aLab({ listen })).rejects.toThrow(`DNS cannot listen on 127.0.0.1 port ${port}`);
  });

  test.for<[string, Partial<DnsServerOptions>, string]>([
    ['no address', { listen: [{ address: 'localhost', port: 0 }] }, 'not an IP address'],
    ['a range that is none', { transferTo: ['10.0.0.0/33'] }, 'neither an address nor a range'],
    ['half a range', { transferTo: ['10.0.0.0/'] }, 'neither an address nor a range'],
    ['a name for a range', { transferTo: ['everybody'] }, 'neither an address nor a range'],
  ])('%s is refused', async ([, options, reason]) => {
    await expect(aLab(options)).rejects.toThrow(reason);
  });

  test('stopping gives the ports back, and may be done twice', async () => {
    const { server, port } = await aLab();
    await server.stop();
    await server.stop();
    const again = await aLab({ listen: [{ address: '127.0.0.1', port }] });
    expect(again.port).toBe(port);
  });
});

test('metrics', async () => {
  const log = aLog();
  await log.appendAll('derived', [
    aDocument('web', '10.0.0.1'),
    { subject: 'derived.dns.p1', data: '{}' },
    aWatermark(1),
  ]);
  const { port, server, registry } = await aLab({}, log);
  await waitUntil(() => server.readiness().isReady);
  await ask(port, 'web');
  await ask(port, 'nosuch');
  await ask(port, 'odd name');
  const text = await registry.metrics();
  for (const line of [
    'signalbox_dns_requests_total{rcode="NOERROR",proto="udp"} 1',
    'signalbox_dns_requests_total{rcode="NXDOMAIN",proto="udp"} 2',
    'signalbox_dns_request_duration_seconds_count 1',
    'signalbox_dns_zone_records{zone="cluster.local."} 1',
    'signalbox_dns_bad_messages_total 1',
    'signalbox_dns_staleness_seconds 0',
  ]) {
    expect(text).toContain(line);
  }
});
