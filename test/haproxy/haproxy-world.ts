/** An event log, a driver, and the HAProxy that it starts, in a folder of their own. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  type Ack,
  ackSchema,
  ackSubject,
  type GroupTarget,
  TARGETS_WATERMARK_SUBJECT,
  type TargetGroup,
  type TargetGroupSet,
  targetGroupReportSchema,
  targetGroupReportSubject,
  targetGroupSchema,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { type HaproxyDriver, type HaproxyDriverOptions, startHaproxyDriver } from '@signalbox/haproxy-driver';
import { createLogger, createRegistry } from '@signalbox/kit';
import { temporaryFolder } from '../harness/signalbox.ts';

export const CLUSTER = 'c1';
export const CLASS = 'example.com/haproxy';
export const DRIVER = 'driver-a';
const logger = createLogger({ component: 'test', level: (process.env.TEST_LOG as 'info') ?? 'silent' });

export interface StartedDriver extends HaproxyDriver {
  /** Value of a metric without labels, or the sum over labels. */
  count(metric: string): Promise<number>;
}

export interface HaproxyWorld {
  readonly log: EventLog;
  readonly logPath: string;
  readonly folder: string;
  readonly socket: string;
  startDriver(options?: Partial<HaproxyDriverOptions>): Promise<StartedDriver>;
  /** Of the HAProxy's master process. */
  haproxyPid(): Promise<number>;
  /** Ends drivers and HAProxy, and removes everything. */
  close(): Promise<void>;
}

export async function openHaproxyWorld(): Promise<HaproxyWorld> {
  const folder = await temporaryFolder();
  const logPath = join(folder.path, 'log.db');
  const log = openSqliteEventLog({ path: logPath });
  const drivers: HaproxyDriver[] = [];
  const haproxy = join(folder.path, 'lb');
  const haproxyPid = async (): Promise<number> => Number(await readFile(join(haproxy, 'haproxy.pid'), 'utf8'));
  return {
    log,
    logPath,
    folder: haproxy,
    socket: join(haproxy, 'admin.sock'),
    haproxyPid,
    startDriver: async (options) => {
      const registry = createRegistry();
      const driver = await startHaproxyDriver({ log, logger, registry }, { ...driverOptions(haproxy), ...options });
      drivers.push(driver);
      return Object.assign(driver, { count: async (metric: string) => sum(await registry.metrics(), metric) });
    },
    close: async () => {
      await Promise.all(drivers.map((driver) => driver.stop()));
      await log.close();
      await haproxyPid().then(
        (pid) => endProcess(pid),
        () => {},
      );
      await folder.remove();
    },
  };
}

export function driverOptions(folder: string): HaproxyDriverOptions {
  return {
    loadBalancerClass: CLASS,
    folder,
    name: DRIVER,
    bind: ['127.0.0.1'],
    checkIntervalMs: 100,
    lookIntervalMs: 100,
    leaseMs: 10_000,
    maxBackoffMs: 500,
    reportIntervalMs: 20,
  };
}

/** HAProxy is a child of the process that started it, or of none: its end is seen by its number alone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function endProcess(pid: number): void {
  if (pid > 1 && isAlive(pid)) process.kill(pid, 'SIGTERM');
}

function sum(text: string, metric: string): number {
  const values = text.split('\n').filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`));
  return values.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}

export function aTarget(address: string, port: number, parts: Partial<GroupTarget> = {}): GroupTarget {
  const state = { weight: 1, state: 'active', reason: 'ready', sinceMs: 1 } as const;
  return { type: 'pod', address, port, cluster: CLUSTER, ...state, ...parts };
}

export function aGroup(name: string, port: number, targets: readonly GroupTarget[], parts: object = {}): TargetGroup {
  const protocol = 'protocol' in parts ? String(parts.protocol) : 'TCP';
  return targetGroupSchema.parse({
    id: `${CLUSTER}/shop/${name}:${port}/${protocol}`,
    loadBalancerClass: CLASS,
    portName: 'http',
    protocol,
    port,
    addresses: [],
    hostnames: [],
    sourceRanges: [],
    healthCheck: { type: 'tcp', port },
    targets,
    ...parts,
  });
}

let revision = 0;

/** As the controller writes them; returns the index. */
export async function putGroups(log: EventLog, name: string, groups: readonly TargetGroup[]): Promise<number> {
  revision += 1;
  const key = { cluster: CLUSTER, namespace: 'shop', name };
  const nowMs = Date.now();
  const set: TargetGroupSet = { ...key, revision, changedAtMs: nowMs, decidedAtMs: nowMs, groups: [...groups] };
  const [index = 0] = await log.appendAll('targets', [
    { subject: targetGroupSetSubject({ ...key, loadBalancerClass: CLASS }), data: JSON.stringify(set) },
    { subject: TARGETS_WATERMARK_SUBJECT, data: JSON.stringify({ revision }) },
  ]);
  return index;
}

export async function removeGroups(log: EventLog, name: string): Promise<void> {
  revision += 1;
  const key = { cluster: CLUSTER, namespace: 'shop', name, loadBalancerClass: CLASS };
  await log.appendAll('targets', [
    { subject: targetGroupSetSubject(key), data: null },
    { subject: TARGETS_WATERMARK_SUBJECT, data: JSON.stringify({ revision }) },
  ]);
}

export async function reportOf(log: EventLog, name: string, port: number, protocol = 'TCP') {
  const key = { cluster: CLUSTER, namespace: 'shop', name, loadBalancerClass: CLASS, port: `${port}/${protocol}` };
  const message = await log.last('status', targetGroupReportSubject(key));
  return message?.data ? targetGroupReportSchema.parse(JSON.parse(message.data)) : undefined;
}

export async function ackOf(log: EventLog, consumer = DRIVER): Promise<Ack | undefined> {
  const message = await log.last('status', ackSubject({ layer: 'lb', cluster: CLUSTER, consumer }));
  return message?.data ? ackSchema.parse(JSON.parse(message.data)) : undefined;
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
