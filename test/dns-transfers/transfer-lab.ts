/** A DNS server of ours with a key, a cluster that changes, and peers; all is stopped after the test. */
import type { DnsServerOptions } from '@signalbox/dns-server';
import { openSqliteEventLog } from '@signalbox/event-log';
import type { TsigKey } from '@signalbox/zones';
import { type DnsLab, startDnsLab, waitFor } from '../dns/dns-harness.ts';
import { KEY, type Peer, serialOf, zoneLines } from './peers/peer.ts';
import { RandomServices } from './random-services.ts';

const cleanups: (() => Promise<void>)[] = [];

export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export const TEST_KEY: TsigKey = {
  name: `${KEY.name}.`,
  algorithm: 'hmac-sha256',
  secret: Buffer.from(KEY.secret, 'base64'),
  macBytes: 32,
};
export const DIG_KEY = ['-y', `${KEY.algorithm}:${KEY.name}:${KEY.secret}`];

/** Fast enough for a test; nothing is asked more than once a millisecond. */
const TIMINGS = { notifyIntervalMs: 5, minRetryMs: 50, maxRetryMs: 500 };

export interface TransferLab extends DnsLab {
  readonly services: RandomServices;
  /** Our zone as it is served now. */
  lines(zone?: string): Promise<string[]>;
  /** Another server on the same log. */
  replica(): Promise<TransferLab>;
  /** Stops this server; the next one has its port. */
  restart(): Promise<TransferLab>;
}

export async function aTransferLab(options: Partial<DnsServerOptions> = {}): Promise<TransferLab> {
  const log = openSqliteEventLog({ path: ':memory:' });
  cleanups.push(() => log.close());
  const services = new RandomServices(log, 20_260_101);
  const start = async (port = 0): Promise<TransferLab> => {
    const listen = [{ address: '127.0.0.1', port }];
    const settings = { listen, tsigKeys: [TEST_KEY], transferTo: [`127.0.0.0/8,key=${KEY.name}`], timings: TIMINGS };
    const lab = await startDnsLab({ ...settings, serverAddresses: ['10.96.0.10'], ...options }, log);
    cleanups.push(() => lab.server.stop());
    return {
      ...lab,
      services,
      lines: (zone) => zoneLines(lab.port, zone, DIG_KEY),
      replica: () => start(),
      restart: async () => {
        await lab.server.stop();
        return await start(lab.port);
      },
    };
  };
  return await start();
}

export async function cleaned<Started extends Peer>(starting: Promise<Started>): Promise<Started> {
  const started = await starting;
  cleanups.push(() => started.stop());
  return started;
}

export async function waitForSerial(peer: Peer, revision: number): Promise<void> {
  await waitFor(async () => (await serialOf(peer.port)) === revision, `serial ${revision}`).catch(async (cause) => {
    throw new Error(`serial ${await serialOf(peer.port)}, not ${revision}\n${peer.output().slice(-3000)}`, { cause });
  });
}

/** Begun by our server so far. */
export async function transferCount({ registry }: DnsLab, kind: string): Promise<number> {
  const metrics = await registry.metrics();
  return Number(new RegExp(`^signalbox_dns_transfers_total{kind="${kind}"} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
}
