/** What happens to an API replica's SQLite file, and to the disk that it is on. */
import { closeSync, existsSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pick, type Random } from '../harness/cluster-changes.ts';
import { between, type FaultKind } from './fault.ts';
import type { ApiReplica } from './plane.ts';
import type { SupervisedProcess } from './supervised-process.ts';
import type { World } from './world.ts';

const PAGE_BYTES = 8192;
const CHUNK = Buffer.alloc(1024 * 1024);

export const STORE_FAULTS: readonly FaultKind[] = [
  {
    name: 'disk full',
    weight: 2,
    missing: ({ smallDisk }) => (smallDisk === undefined ? 'a small file system needs root' : undefined),
    choose: ({ smallDisk = '' }, random) => {
      const filler = join(smallDisk, 'filler');
      return {
        name: 'disk full',
        target: 'disk',
        lastsMs: between(random, 500, 3000),
        begin: () => fill(filler),
        end: () => rmSync(filler, { force: true }),
      };
    },
  },
  storeFault('store deleted', (path) => deleteStore(path)),
  storeFault('store truncated', (path, random) => truncateSync(path, Math.floor(random() * statSync(path).size))),
  storeFault('store overwritten', (path, random) => overwrite(path, random)),
];

/** Everything that SQLite keeps of a store. */
export function deleteStore(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}

/** Either while the API is down, or under its feet; then it is killed at the end. */
function storeFault(name: string, damage: (path: string, random: Random) => void): FaultKind {
  return {
    name,
    weight: 1,
    choose: (world, random) => {
      const { replica, process } = anyApi(world, random);
      const isRunning = random() < 0.5;
      const harm = (): void => {
        if (existsSync(replica.store)) damage(replica.store, random);
      };
      return {
        name: `${name} (${isRunning ? 'under the running API' : 'while the API is down'})`,
        target: replica.name,
        lastsMs: between(random, 200, 2000),
        begin: async () => {
          if (!isRunning) await process.kill();
          harm();
        },
        end: async () => {
          if (isRunning) await process.kill();
        },
      };
    },
  };
}

/** Some whole pages, in the middle or at the beginning. */
function overwrite(path: string, random: Random): void {
  const pages = Math.ceil(statSync(path).size / PAGE_BYTES);
  const file = openSync(path, 'r+');
  for (let i = 0; i < 4; i += 1) {
    const junk = Buffer.from(Array.from({ length: PAGE_BYTES }, () => Math.floor(random() * 256)));
    writeSync(file, junk, 0, PAGE_BYTES, Math.floor(random() * pages) * PAGE_BYTES);
  }
  closeSync(file);
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, CHUNK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

function anyApi({ plane }: World, random: Random): { replica: ApiReplica; process: SupervisedProcess } {
  const replica = pick(random, plane.apis);
  const process = plane.processes.get(replica.name);
  if (process === undefined) throw new Error(`there is no process ${replica.name}`);
  return { replica, process };
}
