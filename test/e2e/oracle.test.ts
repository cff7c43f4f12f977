/**
 * The whole plane, as `signalbox up` runs it, against an API server that has a bad day: once it is calm again, all that
 * is in the log and all that the API serves is what the last objects derive to. `ORACLE_SEED=N` repeats a run.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Plane, startPlane } from '@signalbox/cli';
import {
  LAYERS,
  type List,
  type ObjectMessage,
  type RegistrationItem,
  type ServiceDetail,
  type ServiceSummary,
  SOURCE_KINDS,
  type SourceStatus,
  serviceKeyText,
} from '@signalbox/contracts';
import { createLogger } from '@signalbox/kit';
import { kubernetesSource } from '@signalbox/kube';
import { renderRules, rulesNodeOf } from '@signalbox/rules';
import { assembleZones, zoneFileText } from '@signalbox/zones';
import { afterEach, expect, test, vi } from 'vitest';
import { type ApiServer, startApiServer } from '../harness/api-server/api-server.ts';
import { recordedObjects } from '../harness/api-server/recordings.ts';
import { changeObject, pick, type Random, seededRandom, upsetServer } from '../harness/cluster-changes.ts';
import { derivedState, snapshot } from '../harness/derived.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { type ExpectedCluster, expectedCluster, TTL_SECONDS } from '../harness/oracle.ts';
import { temporaryFolder } from '../harness/signalbox.ts';

const CLUSTER = { name: 'recorded', domain: 'cluster.local' };
const STEPS = 200;
const TIMES = {
  idleTimeoutMs: 400,
  healthyAfterMs: 100,
  backOffBaseMs: 1,
  backOffCapMs: 20,
  slowRetryMs: 20,
  statusIntervalMs: 1,
};
const missing = natsServerMissing();
const ORIGINALS = SOURCE_KINDS.flatMap(recordedObjects);
const CHANGING = ORIGINALS.filter(({ kind }) => kind !== 'Namespace');

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface World {
  readonly server: ApiServer;
  readonly dataDir: string;
  plane: Plane;
  readonly restart: () => Promise<void>;
  /** Resolves when the last change has gone through all parts. */
  readonly calm: () => Promise<void>;
}

async function openWorld(servers?: readonly string[]): Promise<World> {
  const server = await startApiServer({ objects: ORIGINALS, bookmarkIntervalMs: 100 });
  const folder = await temporaryFolder();
  const dataDir = join(folder.path, 'data');
  const kubeconfig = await server.kubeconfig(join(folder.path, 'kubeconfig'));
  const statuses = new Map<string, SourceStatus>();
  const start = (): Promise<Plane> => {
    statuses.clear();
    const { name: cluster, domain } = CLUSTER;
    return startPlane({
      dataDir,
      ...(servers && { nats: { servers } }),
      sources: [kubernetesSource({ cluster, domain, kubeconfig, pageSize: 3, times: TIMES })],
      apiListen: { address: '127.0.0.1', port: 0 },
      dnsTtlSeconds: TTL_SECONDS,
      clusterCIDRs: [],
      logger: createLogger({ component: 'oracle', level: 'silent' }),
      onStatus: (status) => statuses.set(status.kind, status),
    });
  };
  const world: World = {
    server,
    dataDir,
    plane: await start(),
    restart: async () => {
      await world.plane.stop();
      world.plane = await start();
    },
    calm: async () => {
      server.clearFaults();
      server.advanceTo(server.version() + 1);
      const wanted = { state: 'watching', resourceVersion: String(server.version()) };
      const hasArrived = (): void => {
        for (const kind of SOURCE_KINDS) {
          server.bookmark(kind);
          expect(statuses.get(kind)).toMatchObject(wanted);
        }
      };
      await vi.waitFor(hasArrived, { timeout: 20_000, interval: 10 });
      await world.plane.workers.processAll();
      await world.plane.api.processAll();
    },
  };
  cleanups.push(
    folder.remove,
    () => server.stop(),
    () => world.plane.stop(),
  );
  return world;
}

async function takeStep(random: Random, world: World): Promise<void> {
  const chance = random();
  if (chance < 0.75) changeObject(random, world.server, CHANGING);
  else if (chance < 0.95) upsetServer(random, world.server);
  else if (chance < 0.98) await world.restart();
  else {
    await world.calm();
    await expectTruth(world);
  }
  // Some changes meet in one batch, others do not.
  for (let turns = Math.floor(random() * 6); turns > 0; turns -= 1) await new Promise((next) => setImmediate(next));
}

async function expectTruth({ server, plane }: World): Promise<void> {
  const cluster = expectedCluster(server, CLUSTER);
  expect(await objectsInLog(plane)).toEqual(byText(cluster.objects.map(plain)));
  expect(await documentsInLog(plane)).toEqual(expectedDocuments(cluster));
  const names = (await allPages<ServiceSummary>(plane, '/v1/services')).map(({ namespace, name }) => [namespace, name]);
  expect(names).toEqual(cluster.services.map(({ namespace, name }) => [namespace, name]));
  for (const service of cluster.services) {
    const path = `/v1/clusters/${CLUSTER.name}/namespaces/${service.namespace}/services/${service.name}`;
    const detail = await getJson<ServiceDetail>(plane, path);
    expect(plain([detail.plan?.document, detail.records?.document, detail.registrations?.document])).toEqual(
      plain([service.proxy, service.dns, service.lb].map(({ document }) => document)),
    );
    const skipped = LAYERS.flatMap((layer) => service[layer].skipped.map((one) => ({ ...one, layer })));
    expect(detail.skipped).toEqual(skipped);
  }
  const registrations = await allPages<RegistrationItem>(plane, '/v1/registrations');
  const wanted = cluster.services.flatMap(({ lb }) => lb.document?.registrations ?? []);
  expect(registrations.map(({ id, targets }) => ({ id, targets }))).toEqual(
    wanted.map(({ id, targets }) => ({ id, targets: plain(targets) })),
  );
  await expectTexts(plane, cluster);
}

/** Rules of every node and the zone file, made of the expected documents, byte by byte. */
async function expectTexts(plane: Plane, cluster: ExpectedCluster): Promise<void> {
  const plans = cluster.services.flatMap(({ proxy }) => proxy.document ?? []);
  for (const node of cluster.nodes) {
    const options = {
      node: rulesNodeOf(node),
      backend: 'nftables',
      families: ['IPv4', 'IPv6'],
      clusterCIDRs: [],
    } as const;
    const { text } = await getText(plane, `/v1/clusters/${CLUSTER.name}/nodes/${node.metadata.name}/rules`);
    expect(text).toBe(renderRules(plans, options).text);
  }
  const { text, revision } = await getText(plane, `/v1/clusters/${CLUSTER.name}/zones/cluster.local?format=text`);
  const recordSets = cluster.services.flatMap(({ dns }) => dns.document ?? []);
  const zones = assembleZones({ domain: CLUSTER.domain, revision, ttlSeconds: TTL_SECONDS, recordSets });
  const zone = zones.find(({ name }) => name === 'cluster.local.');
  expect(text).toBe(zone && zoneFileText(zone));
}

async function objectsInLog({ log }: Plane): Promise<unknown[]> {
  const messages = (await snapshot(log, 'objects')).flatMap(({ data }) => (data === null ? [] : [data]));
  const objects = messages.map((data) => (JSON.parse(data) as ObjectMessage).object);
  return byText(objects.filter(({ kind }) => kind !== 'Cluster'));
}

async function documentsInLog({ log }: Plane): Promise<unknown> {
  const { documents } = await derivedState(log);
  const entries = Object.entries(documents).map(([key, { document, skipped }]) => [key, { document, skipped }]);
  return Object.fromEntries(entries);
}

function expectedDocuments({ name: cluster, services }: ExpectedCluster): unknown {
  const entries = services.flatMap((service) =>
    LAYERS.flatMap((layer) => {
      const { document = null, skipped } = service[layer];
      const key = `${layer} ${serviceKeyText({ ...service, cluster })}`;
      return document === null && skipped.length === 0 ? [] : [[key, { document, skipped }]];
    }),
  );
  return plain(Object.fromEntries(entries));
}

async function getJson<Answer>({ api }: Plane, path: string): Promise<Answer> {
  const response = await fetch(`${api.url}${path}`);
  expect([path, response.status]).toEqual([path, 200]);
  return (await response.json()) as Answer;
}

async function allPages<Item>(plane: Plane, path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const query: string = next === '' ? '?limit=3' : `?limit=3&next=${next}`;
    const page: List<Item> = await getJson<List<Item>>(plane, `${path}${query}`);
    items.push(...page.items);
    next = page.next;
  }
  return items;
}

async function getText({ api }: Plane, path: string): Promise<{ text: string; revision: number }> {
  const response = await fetch(`${api.url}${path}`);
  return { text: await response.text(), revision: Number(response.headers.get('x-signalbox-revision')) };
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null)) as unknown;
}

function byText(values: readonly unknown[]): unknown[] {
  return [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

async function live(world: World, seed: number): Promise<void> {
  const random = seededRandom(seed);
  for (let step = 0; step < STEPS; step += 1) await takeStep(random, world);
  await world.calm();
  await expectTruth(world);
  const ends = async () => [(await world.plane.log.info('objects')).lastSequence, await derivedState(world.plane.log)];
  const before = await ends();
  // A read model that was lost is built again, and nothing of all this is published twice.
  await world.plane.stop();
  await rm(join(world.dataDir, 'store.db'), { force: true });
  await world.restart();
  await world.calm();
  await expectTruth(world);
  expect(await ends()).toEqual(before);
}

test.for([
  { log: 'SQLite', isSkipped: false },
  { log: `JetStream${missing === undefined ? '' : ` (skipped: ${missing})`}`, isSkipped: missing !== undefined },
])(
  'whatever happens, all that is served is what the last objects derive to: $log',
  async ({ log, isSkipped }, { skip }) => {
    skip(isSkipped, missing);
    const seed = Number(process.env.ORACLE_SEED ?? pick(Math.random, [...Array(2 ** 16).keys()]));
    console.log(`oracle on ${log}: ORACLE_SEED=${seed}`);
    let servers: string[] | undefined;
    if (log !== 'SQLite') {
      const nats = await startNatsServer();
      cleanups.push(() => nats.stop());
      servers = [nats.url];
    }
    await live(await openWorld(servers), seed);
  },
);
