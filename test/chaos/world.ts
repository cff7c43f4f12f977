/**
 * All that one seed of the fault test needs: a cluster, the plane on a log of its own, a place for each file. The three NATS
 * servers are there before and after: they take ten seconds to find each other, and know nothing of a log that is gone.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EventLog } from '@signalbox/event-log';
import { createLogger, openNatsLog } from '@signalbox/kit';
import type { NatsCluster } from '../harness/nats-cluster.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { type ChaosCluster, startCluster } from './cluster.ts';
import { type Plane, startPlane } from './plane.ts';

export interface World {
  readonly folder: string;
  readonly cluster: ChaosCluster;
  readonly bus: NatsCluster;
  readonly plane: Plane;
  /** The test's own view of the log: past the relays, so that it sees what the plane does not. */
  readonly log: EventLog;
  /** That the node agent programs; undefined without root. */
  readonly namespace: string | undefined;
  /** A file system of its own for the first API's store; undefined without root. */
  readonly smallDisk: string | undefined;
  close(): Promise<void>;
}

const SMALL_DISK_MIB = 64;
export const isRoot = process.getuid?.() === 0;

/** `bus` with a network (nats-network.ts). `name` is that of no other world on it: of letters, digits, `-`. */
export async function openWorld(bus: NatsCluster, name: string): Promise<World> {
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await openParts({ bus, name }, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function openParts(
  { bus, name }: { bus: NatsCluster; name: string },
  closers: (() => unknown)[],
  close: () => Promise<void>,
): Promise<World> {
  const { path: folder, remove } = await temporaryFolder();
  closers.push(remove);
  const namespace = isRoot ? openNamespace(closers) : undefined;
  const storeFolders = ['store-1', 'store-2'].map((store) => join(folder, store));
  for (const path of storeFolders) mkdirSync(path);
  const smallDisk = isRoot ? storeFolders[0] : undefined;
  if (smallDisk !== undefined) mountSmallDisk(smallDisk, closers);
  const cluster = await startCluster(join(folder, 'kubeconfig'));
  closers.push(() => cluster.stop());
  closers.push(() => bus.deleteStreams(name));
  const plane = await startPlane({
    folder,
    nats: { urls: bus.urls, prefix: name },
    kubeconfig: cluster.kubeconfig,
    storeFolders,
    namespace,
  });
  closers.push(() => Promise.all([...plane.processes.values()].map((each) => each.stop())));
  const nats = [...bus.nodes.values()].map(({ url }) => url).join(',');
  const log = await openNatsLog(
    'dns-server',
    { nats, natsPrefix: name },
    createLogger({ component: 'chaos', level: 'silent' }),
  );
  closers.push(() => log.close());
  return { folder, cluster, bus, plane, log, namespace, smallDisk, close };
}

function openNamespace(closers: (() => unknown)[]): string {
  const namespace = `signalbox-chaos-${process.pid}`;
  runOrThrow('ip', 'netns', 'add', namespace);
  closers.push(() => runOrThrow('ip', 'netns', 'delete', namespace));
  runOrThrow('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
  return namespace;
}

function mountSmallDisk(path: string, closers: (() => unknown)[]): void {
  runOrThrow('mount', '-t', 'tmpfs', '-o', `size=${SMALL_DISK_MIB}m`, 'tmpfs', path);
  closers.push(() => runOrThrow('umount', '--lazy', path));
}

function runOrThrow(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr || error?.message}`);
}
