/** Every service as a process under the permissions of its own user, on a real nats-server; and what they keep out. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { List, ServiceSummary } from '@signalbox/contracts';
import {
  type EventLog,
  natsPasswordVariable,
  openJetStreamEventLog,
  renderNatsConfig,
  SERVICE_ACCESS,
} from '@signalbox/event-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tail } from '../harness/event-log-tail.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, type RunningProcess, startProcess, temporaryFolder } from '../harness/signalbox.ts';

/** For what hangs: a service that was not heard of in time waits for a lease to run out. */
const POLL = { timeout: 120_000, interval: 50 };
const missing = natsServerMissing();
const SERVICES = Object.keys(SERVICE_ACCESS);
const passwordOf = (service: string): string => `secret-of-${service}`;

describe.skipIf(missing !== undefined)(`permissions${missing === undefined ? '' : ` (${missing})`}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let nats: NatsServer;
  const processes = new Map<string, RunningProcess>();
  const logs: EventLog[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    await cp(join(ROOT, 'examples/shop'), join(folder.path, 'shop'), { recursive: true });
    for (const service of SERVICES) await writeFile(join(folder.path, service), passwordOf(service));
    const env = Object.fromEntries(SERVICES.map((service) => [natsPasswordVariable(service), passwordOf(service)]));
    nats = await startNatsServer({ config: renderNatsConfig(), env });
  });

  afterAll(async () => {
    for (const log of logs) await log.close();
    for (const each of processes.values()) await each.stop();
    await nats?.stop();
    await folder?.remove();
  });

  function launch(service: string, ...args: string[]): RunningProcess {
    const entry = [join(ROOT, 'services', service, 'dist/main.js'), '--health-listen', '127.0.0.1:0', ...args];
    const started = startProcess(entry, {
      SIGNALBOX_NATS: nats.url,
      SIGNALBOX_NATS_USER: service,
      SIGNALBOX_NATS_PASSWORD_FILE: join(folder.path, service),
    });
    processes.set(service, started);
    return started;
  }

  async function openAs(service: string): Promise<EventLog> {
    const login = { user: service, passwordFile: join(folder.path, service) };
    const log = await openJetStreamEventLog({ servers: nats.url, name: service, login, managesStreams: false });
    logs.push(log);
    return log;
  }

  test('each service does all its work', { timeout: 240_000 }, async ({ onTestFailed }) => {
    onTestFailed(() => {
      for (const [name, { stdout, stderr }] of processes) console.error(`${name}:\n${stdout}${stderr}`);
    });
    const api = launch('api', '--listen', '127.0.0.1:0', '--store', join(folder.path, 'store.db'));
    const dns = launch('dns-server', '--listen', '127.0.0.1:0');
    const agent = launch(
      'node-agent',
      '--cluster',
      'shop',
      '--node',
      'node-a',
      '--backend',
      'userspace',
      '--proxy-health-listen',
      '127.0.0.1:0',
    );
    for (const worker of ['proxy-worker', 'dns-worker', 'lb-worker']) launch(worker);
    launch('api-watcher', '--manifests', `shop=${join(folder.path, 'shop')}`);
    const [, url = ''] = await api.waitFor(/"url":"([^"]+)","store"/);
    await dns.waitFor(/"msg":"answering DNS"/);
    await agent.waitFor(/"msg":"started"/);
    const names = async () => {
      const { items } = (await (await fetch(`${url}/v1/services`)).json()) as Partial<List<ServiceSummary>>;
      return items?.map(({ name }) => name);
    };
    await expect.poll(names, POLL).toContain('kubernetes');
    const acks = async () => (await (await fetch(`${url}/v1/acks`)).text()).match(/"kind":"[\w-]+"/g)?.sort();
    await expect.poll(acks, POLL).toEqual(['"kind":"dns-server"', '"kind":"node-agent"']);
    const put = await fetch(`${url}/v1/intents/dns-zones/corp.example`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect([put.status, await put.text()]).toEqual([201, expect.stringContaining('corp.example')]);
    for (const [name, { stdout, stderr }] of processes) {
      const complaints = `${stdout}${stderr}`.split('\n').filter((line) => /may not|forbidden|Permissions/.test(line));
      expect([name, complaints]).toEqual([name, []]);
    }
  });

  test.for([
    { who: 'dns-server', stream: 'derived', subject: 'derived.proxy.p1.shop.web.x' },
    { who: 'dns-server', stream: 'derived', subject: 'watermarks.dns' },
    { who: 'dns-server', stream: 'status', subject: 'status.ack.proxy.shop.node-a' },
    { who: 'node-agent', stream: 'objects', subject: 'objects.all.Node.shop._.node-b' },
    { who: 'dns-worker', stream: 'derived', subject: 'derived.proxy.p1.shop.web.x' },
    { who: 'proxy-worker', stream: 'objects', subject: 'objects.p1.Service.shop.web.x' },
    { who: 'proxy-worker', stream: 'leases', subject: 'leases.dns.m1' },
    { who: 'api', stream: 'objects', subject: 'objects.p1.Service.shop.web.x' },
    { who: 'api-watcher', stream: 'objects', subject: 'objects.all.ApiToken._._.x' },
    { who: 'api-watcher', stream: 'objects', subject: 'objects.all.DnsRecords._._.x' },
  ] as const)('$who cannot append $subject: refused at once, and named', async ({ who, stream, subject }) => {
    const log = await openAs(who);
    const append = log.append(stream, { subject, data: '{}' });
    await expect(append).rejects.toMatchObject({ code: 'forbidden' });
    await expect(append).rejects.toThrow(
      `${subject} was not stored: the NATS user may not publish signalbox.${subject}`,
    );
    // What is behind it is not held up.
    const own = SERVICE_ACCESS[who].appends.at(-1)?.replace('>', 'x').replaceAll('*', 'y') ?? '';
    const ownStream = own.split('.', 1)[0] as 'objects' | 'status' | 'leases';
    expect(await log.append(ownStream, { subject: own, data: null })).toBeGreaterThan(0);
  });

  test('a stream that a service does not read is not read', async () => {
    const log = await openAs('dns-server');
    const tail = new Tail(log, { from: 'snapshot' }, 'targets');
    expect(await tail.ended).toMatchObject({ code: 'forbidden' });
    await expect(log.last('targets', 'targets.watermark')).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('another service cannot take its place on the log of answers', async () => {
    const path = join(folder.path, 'dns-server');
    const login = { user: 'dns-server', passwordFile: path };
    const opening = openJetStreamEventLog({ servers: nats.url, name: 'node-agent', login, managesStreams: false });
    await expect(opening).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('docs/nats.md shows the configuration that is tested here', async () => {
    expect(await readFile(join(ROOT, 'docs/nats.md'), 'utf8')).toContain(
      renderNatsConfig({ services: ['dns-server'] }),
    );
  });
});
