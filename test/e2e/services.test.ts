/** Every service as a process of its own, on a real nats-server. */
import { Resolver } from 'node:dns/promises';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { List, RegistrationItem, ServiceSummary } from '@signalbox/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, type RunningProcess, startProcess, temporaryFolder } from '../harness/signalbox.ts';

const POLL = { timeout: 20_000, interval: 50 };
const METRICS_TOKEN = 'metrics-of-the-example';
/** By the second word of a metric's name. */
const OWNERS: Readonly<Record<string, string>> = { worker: 'lb-worker', dns: 'dns-server', api: 'api' };
const missing = natsServerMissing();

describe.skipIf(missing !== undefined)(`services on nats-server${missing === undefined ? '' : ` (${missing})`}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let nats: NatsServer;
  let api = '';
  let dns = '';
  const processes = new Map<string, RunningProcess>();

  beforeAll(async () => {
    folder = await temporaryFolder();
    await cp(join(ROOT, 'examples/shop'), join(folder.path, 'shop'), { recursive: true });
    await writeFile(join(folder.path, 'metrics.token'), METRICS_TOKEN);
    nats = await startNatsServer();
    launch('api-watcher', '--manifests', `shop=${join(folder.path, 'shop')}`);
    for (const worker of ['proxy-worker', 'dns-worker', 'lb-worker']) launch(worker);
    const dnsServer = launch('dns-server', '--listen', '127.0.0.1:0');
    const apiServer = launch('api', '--listen', '127.0.0.1:0', '--store', join(folder.path, 'store.db'));
    [, api = ''] = await apiServer.waitFor(/"url":"([^"]+)","store"/);
    const [, port = ''] = await dnsServer.waitFor(/"port":(\d+)\}\],"msg":"answering DNS"/);
    dns = `127.0.0.1:${port}`;
  });

  afterAll(async () => {
    for (const each of processes.values()) {
      each.child.kill('SIGKILL');
      await each.finished;
    }
    await nats?.stop();
    await folder?.remove();
  });

  function launch(service: string, ...args: string[]): RunningProcess {
    const entry = [join(ROOT, 'services', service, 'dist/main.js'), '--health-listen', '127.0.0.1:0', ...args];
    const started = startProcess(entry, {
      SIGNALBOX_NATS: nats.url,
      SIGNALBOX_METRICS_TOKEN_FILE: join(folder.path, 'metrics.token'),
    });
    processes.set(service, started);
    return started;
  }

  async function items<Item>(path: string): Promise<readonly Item[]> {
    const response = await fetch(`${api}${path}`, { headers: { accept: 'application/json' } });
    return ((await response.json()) as List<Item>).items;
  }

  async function rules(): Promise<string> {
    return await (
      await fetch(`${api}/v1/clusters/shop/nodes/node-a/rules`, { headers: { accept: 'text/plain' } })
    ).text();
  }

  async function resolve4(name: string): Promise<string[]> {
    const resolver = new Resolver({ tries: 1, timeout: 2000 });
    resolver.setServers([dns]);
    return await resolver.resolve4(name);
  }

  async function move(from: string, to: string): Promise<void> {
    const file = join(folder.path, 'shop/storefront.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(`${file}.new`, text.replaceAll(from, to));
    await rename(`${file}.new`, file);
  }

  test('serve rules, names and registrations of the example', async () => {
    await expect.poll(async () => (await fetch(`${api}/readyz`)).status, POLL).toBe(200);
    expect((await items<ServiceSummary>('/v1/services')).map(({ name }) => name)).toContain('storefront');
    expect((await items<RegistrationItem>('/v1/registrations')).length).toBeGreaterThan(0);
    expect(await rules()).toContain('10.96.10.1');
    await expect.poll(() => resolve4('storefront.shop.svc.cluster.local'), POLL).toEqual(['10.96.10.1']);
  });

  test('tell in their logs which revision they have reached', async () => {
    for (const [name, each] of processes) {
      // An API that is up before anything is in the log is so at revision 0.
      await each.waitFor(name === 'api' ? /"revision":\d+,"msg":"the store is up/ : /"revision":[1-9]/);
    }
  });

  test('give metrics only to who has the token', async () => {
    for (const [name, each] of processes) {
      const [, health = ''] = await each.waitFor(/"health":"([^"]+)"/);
      for (const url of name === 'api' ? [health, api] : [health]) {
        const anonymous = await fetch(`${url}/metrics`);
        expect([name, anonymous.status]).toEqual([name, 401]);
        expect(anonymous.headers.get('www-authenticate')).toBe('Bearer realm="signalbox"');
        const known = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
        expect([name, known.status]).toEqual([name, 200]);
        expect((await fetch(`${url}/healthz`)).status).toBe(200);
      }
    }
  });

  test('count from 0 what alerts watch: an increase from nothing is none', async () => {
    const alerts = await readFile(join(ROOT, 'deploy/prometheus/signalbox.rules.yml'), 'utf8');
    const asked = [...alerts.matchAll(/increase\((\w+?(worker|dns|api)\w+)(?:\{result[!=]+"(\w+)"\})?\[/g)];
    expect(asked.length).toBeGreaterThan(5);
    for (const [, metric = '', owner = '', result] of asked) {
      const [, health = ''] = (await processes.get(OWNERS[owner] ?? '')?.waitFor(/"health":"([^"]+)"/)) ?? [];
      const answer = await fetch(`${health}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
      const label = result === undefined ? '.*' : `\\{result="${result}"\\}`;
      expect(await answer.text()).toMatch(new RegExp(`^${metric}${label} 0$`, 'm'));
    }
  });

  test('follow a change', async () => {
    await move('10.96.10.1', '10.96.77.1');
    await expect.poll(() => resolve4('storefront.shop.svc.cluster.local'), POLL).toEqual(['10.96.77.1']);
    await expect.poll(rules, POLL).toContain('10.96.77.1');
  });

  test('keep answering while the bus is away, and follow again when it is back', async () => {
    await nats.kill();
    expect(await resolve4('storefront.shop.svc.cluster.local')).toEqual(['10.96.77.1']);
    await move('10.96.77.1', '10.96.78.1');
    await nats.restart();
    await expect.poll(() => resolve4('storefront.shop.svc.cluster.local'), POLL).toEqual(['10.96.78.1']);
    await expect.poll(rules, POLL).toContain('10.96.78.1');
  });

  test('a worker that was killed and comes back publishes what it missed', async () => {
    const worker = processes.get('proxy-worker');
    worker?.child.kill('SIGKILL');
    await worker?.finished;
    await move('10.96.78.1', '10.96.79.1');
    await expect.poll(() => resolve4('storefront.shop.svc.cluster.local'), POLL).toEqual(['10.96.79.1']);
    expect(await rules()).toContain('10.96.78.1');
    launch('proxy-worker');
    await expect.poll(rules, POLL).toContain('10.96.79.1');
  });

  test('end with exit code 0 when asked to stop, and are not ready any more until then', async () => {
    for (const [name, each] of processes) {
      const [, health = ''] = await each.waitFor(/"health":"([^"]+)"/);
      const end = each.stop();
      await each.waitFor(/"msg":"stopping"/);
      const readiness = await fetch(`${health}/readyz`).then(
        ({ status }) => status,
        () => 'gone',
      );
      expect([503, 'gone'], name).toContain(readiness);
      expect([name, (await end).code]).toEqual([name, 0]);
    }
  });
});
