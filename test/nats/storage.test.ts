/** NATS servers as they are configured in deploy/ have room for what services reserve there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAM_SUBJECTS } from '@signalbox/contracts';
import { DEFAULT_MAX_BYTES } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { ROOT } from '../harness/signalbox.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** The sixth stream, of what the log says about itself, has 1 MiB. */
const RESERVED = Object.keys(STREAM_SUBJECTS).length * DEFAULT_MAX_BYTES + MIB;

const read = (path: string): Promise<string> => readFile(join(ROOT, 'deploy', path), 'utf8');

function storeOf(config: string): number {
  return Number(/^jetstream: \{.* max_file_store: (\d+)GiB \}$/m.exec(config)?.[1] ?? 0) * GIB;
}

test.for(['compose/nats.conf', 'compose/nats-cluster.conf', 'kubernetes/nats/nats.conf'])('%s', async (path) => {
  expect(storeOf(await read(path))).toBeGreaterThan(RESERVED);
});

test('the volumes of Kubernetes hold more than JetStream may write', async () => {
  const [, storage] = /storage: (\d+)Gi /.exec(await read('kubernetes/nats/nats.yaml')) ?? [];
  expect(Number(storage) * GIB * 0.8).toBeGreaterThan(storeOf(await read('kubernetes/nats/nats.conf')));
});
