/** `signalbox up` as a newcomer runs it: a process, files, HTTP, DNS. */

import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type {
  List,
  RegistrationItem,
  Revision,
  ServiceDetail,
  ServiceSummary,
  ZoneSummary,
} from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLI, ROOT, type RunningProcess, startProcess, temporaryFolder } from '../harness/signalbox.ts';

interface RunningUp {
  readonly process: RunningProcess;
  readonly api: string;
  readonly dns: string;
}

const WEB = '/v1/clusters/shop/namespaces/shop/services/storefront';
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningProcess[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(ROOT, 'examples/shop'), join(folder.path, 'shop'), { recursive: true });
});

afterEach(async () => {
  for (const each of running) {
    each.child.kill('SIGKILL');
    await each.finished;
  }
  running = [];
  await folder.remove();
});

function launch(...args: string[]): RunningProcess {
  const data = ['--data-dir', join(folder.path, 'data')];
  const listen = ['--api-listen', '127.0.0.1:0', '--dns-listen', '127.0.0.1:0'];
  const started = startProcess([
    CLI,
    'up',
    '--manifests',
    `shop=${join(folder.path, 'shop')}`,
    ...data,
    ...listen,
    ...args,
  ]);
  running.push(started);
  return started;
}

async function up(...args: string[]): Promise<RunningUp> {
  const started = launch(...args);
  const [, api = '', dns = ''] = await started.waitFor(/ready, API (\S+), DNS (\S+)/);
  return { process: started, api, dns };
}

async function getJson<Answer>(plane: RunningUp, path: string): Promise<Answer> {
  const response = await fetch(`${plane.api}${path}`, { headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

async function getText(plane: RunningUp, path: string, accept: string): Promise<string> {
  return await (await fetch(`${plane.api}${path}`, { headers: { accept } })).text();
}

function resolverOf(plane: RunningUp): Resolver {
  const resolver = new Resolver({ tries: 1, timeout: 2000 });
  resolver.setServers([plane.dns]);
  return resolver;
}

async function revisions(plane: RunningUp): Promise<readonly Revision[]> {
  return (await getJson<List<Revision>>(plane, '/v1/revisions')).items;
}

describe('on the example', () => {
  test('rules, zones and registrations of its services are served, over HTTP and DNS', async () => {
    const plane = await up();
    expect((await fetch(`${plane.api}/readyz`)).status).toBe(200);
    const services = await getJson<List<ServiceSummary>>(plane, '/v1/services?namespace=shop');
    expect(services.items.map(({ name }) => name)).toContain('storefront-public');
    const web = await getJson<ServiceDetail>(plane, WEB);
    const [address = ''] = web.summary.clusterIPs;
    const rules = await getText(plane, '/v1/clusters/shop/nodes/node-a/rules', 'text/plain');
    expect(rules).toContain(address);
    expect((await getJson<List<ZoneSummary>>(plane, '/v1/zones')).items.map(({ name }) => name)).toContain(
      'cluster.local.',
    );
    const zone = await getText(plane, '/v1/clusters/shop/zones/cluster.local.?format=text', 'text/dns');
    expect(zone).toMatch(new RegExp(`storefront\\.shop\\.svc.*\\sA\\s+${address}`));
    expect(await resolverOf(plane).resolve4('storefront.shop.svc.cluster.local')).toEqual([address]);
    const registrations = await getJson<List<RegistrationItem>>(plane, '/v1/registrations');
    expect(registrations.items.find(({ service }) => service === 'storefront-public')?.targets.length).toBeGreaterThan(
      0,
    );
  });

  test('an edited manifest is a new revision of rules, zone and answers', async () => {
    const plane = await up();
    const before = (await revisions(plane))[0]?.revision ?? 0;
    const file = join(folder.path, 'shop', 'storefront.yaml');
    const [address = ''] = (await getJson<ServiceDetail>(plane, WEB)).summary.clusterIPs;
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll(address, '10.96.77.77'));
    await expect
      .poll(() => resolverOf(plane).resolve4('storefront.shop.svc.cluster.local'), POLL)
      .toEqual(['10.96.77.77']);
    await expect
      .poll(() => getText(plane, '/v1/clusters/shop/nodes/node-a/rules', 'text/plain'), POLL)
      .toContain('10.96.77.77');
    const [newest] = await revisions(plane);
    expect(newest).toMatchObject({ kind: 'Service', name: 'storefront', operation: 'updated' });
    expect(newest?.revision).toBeGreaterThan(before);
    const past = await getJson<ServiceDetail>(plane, `${WEB}?revision=${before}`);
    expect(past.summary.clusterIPs).toContain(address);
  });

  test('history is kept for as long as it is told', async () => {
    const plane = await up('--history-revisions', '0');
    const { revision } = await getJson<List<ServiceSummary>>(plane, '/v1/services');
    const past = async () => (await fetch(`${plane.api}/v1/services?revision=${revision - 1}`)).status;
    await expect.poll(past, POLL).toBe(410);
    expect((await fetch(`${plane.api}/v1/services?revision=${revision}`)).status).toBe(200);
  });

  test('a restart goes on with the same revisions, and publishes nothing', async () => {
    const first = await up();
    const before = await revisions(first);
    expect((await first.process.stop()).code).toBe(0);
    const second = await up();
    expect(await revisions(second)).toEqual(before);
    const { revision } = await getJson<List<ServiceSummary>>(second, '/v1/services');
    expect(revision).toBe(before[0]?.revision);
  });

  test('what went while it was down is gone after the restart', async () => {
    await (await up()).process.stop();
    await writeFile(join(folder.path, 'shop', 'payments.yaml'), '');
    const plane = await up();
    const services = await getJson<List<ServiceSummary>>(plane, '/v1/services');
    expect(services.items.map(({ name }) => name)).not.toContain('payments');
    expect((await revisions(plane))[0]).toMatchObject({ operation: 'deleted', name: 'payments' });
  });
});

test('a cluster that no flag names any more is served and named, until it is forgotten', async () => {
  await (await up()).process.stop();
  const others = ['--manifests', `other=${join(folder.path, 'shop')}`];
  const plane = await up(...others);
  await plane.process.stop();
  expect(plane.process.stderr).not.toContain('not read here');
  const alone = async (...args: string[]): Promise<RunningUp> => {
    const listen = ['--api-listen', '127.0.0.1:0', '--dns-listen', '127.0.0.1:0'];
    const started = startProcess([CLI, 'up', ...others, '--data-dir', join(folder.path, 'data'), ...listen, ...args]);
    running.push(started);
    const [, api = '', dns = ''] = await started.waitFor(/ready, API (\S+), DNS (\S+)/);
    return { process: started, api, dns };
  };
  const clusters = async (one: RunningUp) =>
    (await getJson<List<{ name: string }>>(one, '/v1/clusters')).items.map(({ name }) => name);
  const kept = await alone();
  expect(await clusters(kept)).toEqual(['other', 'shop']);
  expect((await kept.process.stop()).stderr).toMatch(/not read here.*--forget.*clusters=\["shop"\]/);
  const forgetful = await alone('--forget', 'shop');
  await expect.poll(() => clusters(forgetful), POLL).toEqual(['other']);
  const { items } = await getJson<List<RegistrationItem>>(forgetful, '/v1/registrations');
  expect(new Set(items.map(({ cluster }) => cluster))).toEqual(new Set(['other']));
});

describe('what is wrong', () => {
  test('a broken manifest is named with file and reason; the others are served', async () => {
    await writeFile(join(folder.path, 'shop', 'broken.yaml'), 'kind: Service\nmetadata: [\n');
    const plane = await up();
    await plane.process.waitFor(/broken\.yaml/);
    const services = await getJson<List<ServiceSummary>>(plane, '/v1/services');
    expect(services.items.map(({ name }) => name)).toContain('storefront');
  });

  test('a second process on the same data is refused, and the first is not disturbed', async () => {
    const plane = await up();
    const second = await launch().finished;
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/events\.db/);
    expect((await fetch(`${plane.api}/readyz`)).status).toBe(200);
  });

  test.for([
    { what: 'no source', args: ['up'], message: 'name at least one cluster' },
    { what: 'a missing path', args: ['up', '--manifests', 'shop=/nowhere'], message: '/nowhere' },
    { what: 'an unreadable kubeconfig', args: ['up', '--kubeconfig', '/nowhere'], message: '/nowhere' },
    {
      what: 'a bad address',
      args: ['up', '--manifests', 'shop=examples/shop', '--api-listen', 'x'],
      message: '127.0.0.1:8080',
    },
    { what: 'an unknown flag', args: ['up', '--manifest', 'shop=x'], message: 'manifests' },
    {
      what: 'a repeated name',
      args: ['up', '--manifests', 'a=examples/shop', '--manifests', 'a=examples/shop'],
      message: 'two sources are named "a"',
    },
    {
      what: 'a DNS domain of two clusters',
      args: ['up', '--manifests', 'a-b=examples/shop', '--manifests', 'a/b=examples/shop'],
      message: 'would share the DNS domain a-b.cluster.local',
    },
    {
      what: 'a bad network',
      args: ['up', '--manifests', 'shop=examples/shop', '--cluster-cidr', '10.0.0.0/33'],
      message: '"10.0.0.0/33" is not a network',
    },
    { what: 'a bad API address', args: ['get', 'services', '--api', 'shop'], message: '"shop" is not a URL' },
  ])('$what ends with exit code 2 and says so', async ({ args, message }) => {
    const data = args.includes('up') ? ['--data-dir', join(folder.path, 'data')] : [];
    const { code, stderr } = await startProcess([CLI, ...args, ...data]).finished;
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test('an empty variable is one that is not set', async () => {
    const { stderr } = await startProcess([CLI, 'status', '--api', 'nowhere'], { SIGNALBOX_TOKEN_FILE: '' }).finished;
    expect(stderr).toContain('"nowhere" is not a URL');
  });

  test('a wrong flag of a service ends with exit code 2', async () => {
    const { code, stderr } = await startProcess([join(ROOT, 'services/api/dist/main.js'), '--dns-ttl', 'x']).finished;
    expect([code, stderr]).toEqual([2, expect.stringContaining('--dns-ttl')]);
  });
});

test('stopping is quiet: nothing is reported as a failure', async () => {
  const { code, stderr } = await (await up()).process.stop();
  expect(code).toBe(0);
  expect(stderr.split('\n').slice(1)).toEqual(['Stopping', '']);
});

test('a process that waits for the event log ends at once when it is told to', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const connected = once(silent, 'connection');
  const started = launch('--nats', `nats://127.0.0.1:${port}`);
  const [socket] = (await connected) as [Socket];
  // 128 and the number of SIGTERM.
  expect((await started.stop()).code).toBe(143);
  socket.destroy();
  silent.close();
});

test('a data folder that cannot be made is named', async () => {
  // In /proc nothing can be made, whoever asks; Node's recursive mkdir never comes back from there.
  const started = startProcess([CLI, 'up', '--manifests', 'shop=examples/shop', '--data-dir', '/proc/signalbox/data']);
  running.push(started);
  const { code, stderr } = await started.finished;
  expect([code, stderr]).toEqual([2, expect.stringContaining('cannot use the data folder /proc/signalbox/data')]);
});

test('a reader that stops early, as head does, is no failure', async () => {
  const render = startProcess([CLI, 'render', 'rules', '--manifests', 'shop=examples/shop', '--node', 'node-a']);
  render.child.stdout?.destroy();
  expect(await render.finished).toMatchObject({ code: 0, stderr: '' });
});

const POLL = { timeout: 10_000, interval: 50 };
