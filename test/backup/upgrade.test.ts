/** Data of every release that is kept in test/fixtures/releases starts with this one, and nothing of it is lost. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Intent, List, Revision, ServiceDetail } from '@signalbox/contracts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';
import { type RunningPlane, startPlaneOn } from './running-plane.ts';

/** Each holds examples/shop, three intents, and then, as revision 27, another cluster IP of shop/storefront. */
const RELEASES = join(ROOT, 'test/fixtures/releases');
const LAST_REVISION = 27;
const STOREFRONT = '/v1/clusters/shop/namespaces/shop/services/storefront';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let plane: RunningPlane | undefined;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  plane?.process.child.kill('SIGKILL');
  await plane?.process.finished;
  await folder.remove();
});

test.for(await readdir(RELEASES))('%s', async (name) => {
  const dataDir = join(folder.path, 'data');
  const manifests = await exampleAsSaved();
  const restored = await signalbox(['restore', '--from', join(RELEASES, name), '--data-dir', dataDir]);
  expect(restored).toMatchObject({ code: 0 });
  plane = await startPlaneOn(dataDir, { manifests });
  const running = plane;

  const revisions = await running.get<List<Revision>>('/v1/revisions?limit=1000');
  expect(revisions.items.map(({ revision }) => revision)).toContain(1);
  expect(revisions.revision).toBeGreaterThanOrEqual(LAST_REVISION);
  const addresses = async (query: string): Promise<readonly string[]> =>
    (await running.get<ServiceDetail>(`${STOREFRONT}${query}`)).summary.clusterIPs;
  expect(await addresses(`?revision=${LAST_REVISION - 1}`)).toContain('10.96.10.1');
  expect(await addresses('')).toContain('10.96.10.99');
  const kinds = ['dns-zones', 'dns-records', 'dns-aliases'];
  const intents = await Promise.all(kinds.map((kind) => running.get<List<Intent>>(`/v1/intents/${kind}`)));
  expect(intents.flatMap(({ items }) => items.map(({ intent, revision }) => [intent.metadata.name, revision]))).toEqual(
    [
      ['example.com', 24],
      ['www.example.com.a', 25],
      ['shop.example.com.alias', 26],
    ],
  );

  await running.put('/v1/intents/dns-records/new', { name: 'new.example.com', type: 'A', values: ['192.0.2.7'] });
  expect((await running.get<Intent>('/v1/intents/dns-records/new')).revision).toBeGreaterThan(LAST_REVISION);
  expect(await running.stop()).toBe(0);
});

async function exampleAsSaved(): Promise<string> {
  const manifests = join(folder.path, 'shop');
  await cp(join(ROOT, 'examples/shop'), manifests, { recursive: true });
  const file = join(manifests, 'storefront.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('10.96.10.1,', '10.96.10.99,'));
  return manifests;
}
