/** What must hold of running containers; each throws with what it saw instead. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const API = 'http://127.0.0.1:7070';
const DEADLINE_MS = 300_000;

/** All healthy, none as root, none with a writable root, none with a right or without a limit; then the API is ready. */
export async function checkContainers({ engine, projectName, profile }) {
  const list = () => inspectAll(engine, projectName);
  await eventually('all containers to be healthy', () => {
    const bad = list().filter((container) => !isDone(container) && !isUp(container));
    return bad
      .map(({ Name, State }) => `${Name} ${State.Health?.Status ?? State.Status}${lastProbe(State)}`)
      .join(', ');
  });
  const containers = list().filter((container) => !isDone(container));
  const expected = profile === 'cluster' ? 16 : 11;
  equal('containers', containers.length, expected);
  for (const container of containers) checkConfinement(engine, container);
  await eventually('the API to be ready', async () => {
    const response = await fetch(`${API}/readyz`);
    return response.ok ? '' : await response.text();
  });
}

/** Of a service that runs once, as the one that makes logins. */
function isDone({ State, HostConfig }) {
  return HostConfig.RestartPolicy.Name === 'on-failure' && State.Status === 'exited' && State.ExitCode === 0;
}

function isUp({ State }) {
  return State.Running && (State.Health === undefined || State.Health.Status === 'healthy');
}

function lastProbe({ Health }) {
  const { ExitCode, Output } = Health?.Log?.at(-1) ?? {};
  return ExitCode === undefined ? '' : ` (exit code ${ExitCode}: ${Output.trim()})`;
}

function inspectAll(engine, projectName) {
  const label = `label=com.docker.compose.project=${projectName}`;
  const ids = engine.run(['ps', '--all', '--quiet', '--filter', label]).split('\n').filter(Boolean);
  return ids.length === 0 ? [] : JSON.parse(engine.run(['inspect', ...ids]));
}

function checkConfinement(engine, { Name, Id, HostConfig }) {
  equal(`${Name} read-only root`, HostConfig.ReadonlyRootfs, true);
  equal(`${Name} dropped capabilities`, HostConfig.CapDrop.join(), 'ALL');
  equal(`${Name} privileged`, HostConfig.Privileged, false);
  for (const limit of ['Memory', 'NanoCpus', 'PidsLimit']) {
    if (!(HostConfig[limit] > 0)) throw new Error(`${Name} has no limit of ${limit}`);
  }
  equal(`${Name} user`, /^Uid:\s+(\d+)/m.exec(engine.run(['exec', Id, 'cat', '/proc/1/status']))?.[1], '1000');
  const write = 'touch /written-by-test 2>/dev/null && echo written || echo refused';
  equal(`${Name} write to its root`, engine.run(['exec', Id, 'sh', '-c', write]).trim(), 'refused');
}

export async function checkExample() {
  const { items } = await getJson('/v1/services?namespace=shop');
  equal(
    'services of shop',
    items
      .map(({ name }) => name)
      .sort()
      .join(),
    SHOP_SERVICES,
  );
  for (const transport of ['+notcp', '+tcp']) {
    equal(`DNS ${transport}`, dig(['storefront.shop.svc.cluster.local', 'A', transport]), '10.96.10.1');
  }
  equal('DNS of the second cluster', dig(['hello.demo.svc.demo.local', 'A']), '10.97.0.10');
}

const SHOP_SERVICES = 'database,payments,storefront,storefront-metrics,storefront-public';

/** HAProxy → node port at the node agent → both backends. */
export async function checkDemo() {
  const seen = new Set();
  await eventually('both backends to answer through HAProxy', async () => {
    const response = await fetch('http://127.0.0.1:7080/', { headers: { connection: 'close' } });
    seen.add(`${response.status} ${(await response.text()).trim()}`);
    return ['hello-1', 'hello-2'].every((name) => seen.has(`200 hello from ${name}`)) ? '' : [...seen].join('; ');
  });
  await eventually('the node agent to have acknowledged', async () => {
    const { items } = await getJson('/v1/clusters/demo/nodes');
    return JSON.stringify(items).includes('userspace') ? '' : JSON.stringify(items);
  });
}

/** A new cluster IP in the example's file gets into DNS under a new revision. */
export async function checkNewRevision({ project }) {
  const { revision } = await getJson('/v1/services');
  const file = join(project, 'examples/shop/storefront.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replaceAll('10.96.10.1,', '10.96.10.99,'));
  try {
    await eventually('DNS to have the new address', () => {
      const address = dig(['storefront.shop.svc.cluster.local', 'A']);
      return address === '10.96.10.99' ? '' : address;
    });
    await eventually('the API to have a newer revision', async () => {
      const now = (await getJson('/v1/services')).revision;
      return now > revision ? '' : `revision ${now}`;
    });
  } finally {
    writeFileSync(file, text);
  }
}

/** Three copies of every stream, on three servers; without one of them everything goes on. */
export async function checkCluster(world) {
  const { engine, projectName } = world;
  const server = (name) => inspectAll(engine, projectName).find(({ Name }) => Name.includes(name)).Id;
  const read = ['wget', '-q', '-O', '-', 'http://127.0.0.1:8222/jsz?accounts=1&streams=1&config=1'];
  const { account_details: accounts } = JSON.parse(engine.run(['exec', server('nats-1'), ...read]));
  const streams = accounts.flatMap(({ stream_detail: details }) => details);
  equal('streams of Signalbox', streams.length >= 3, true);
  for (const { name, config } of streams) equal(`replicas of ${name}`, config.num_replicas, 3);
  engine.run(['kill', server('nats-2')]);
  await checkNewRevision(world);
  engine.run(['start', server('nats-2')]);
}

function dig(args) {
  const { stdout } = spawnSync('dig', ['@127.0.0.1', '-p', '7053', '+short', '+time=2', '+tries=1', ...args], {
    encoding: 'utf8',
  });
  return stdout.trim();
}

async function getJson(path) {
  const response = await fetch(`${API}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** Waits until `findTrouble` returns an empty string; a thrown error is trouble too. */
async function eventually(what, findTrouble) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const trouble = await troubleOf(findTrouble);
    if (trouble === '') return;
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS / 1000} s for ${what}: ${trouble}`);
    await delay(300);
  }
}

async function troubleOf(findTrouble) {
  try {
    return await findTrouble();
  } catch (error) {
    return String(error);
  }
}

function equal(what, actual, expected) {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}
