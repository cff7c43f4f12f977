/** The guide for integrations is true: its commands run, and its example keeps a load balancer up, also when it is killed. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type RunningApi, startApi } from '@signalbox/api';
import type { LeaseStatus, TargetGroupDetail } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { CLI, ROOT } from '../harness/signalbox.ts';
import { aTarget, decided, putTargets } from './target-world.ts';
import { quietLogger } from './world.ts';

const CLASS = 'example.com/f5';
const PUBLIC = { cluster: 'shop', namespace: 'shop', name: 'storefront-public' };
const SCRIPT = join(ROOT, 'examples/elb/integration.py');
const BASE = '/v1/load-balancers/example.com%2Ff5';
const POLL = { timeout: 20_000, interval: 50 };

let folder: string;
let log: EventLog;
let api: RunningApi;
let adminToken: string;
let closers: (() => unknown)[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-elb-'));
  log = openSqliteEventLog({ path: ':memory:' });
  closers = [];
  api = await startApi(
    { log, logger: quietLogger, registry: createRegistry() },
    {
      storePath: ':memory:',
      listen: { address: '127.0.0.1', port: 0 },
      auth: 'token',
      adminTokenFile: join(folder, 'admin.token'),
    },
  );
  adminToken = readFileSync(join(folder, 'admin.token'), 'utf8').trim();
});
afterEach(async () => {
  for (const close of closers) await close();
  await api.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});

async function get<Body>(path: string): Promise<Body> {
  const response = await fetch(`${api.url}${path}`, { headers: { authorization: `Bearer ${adminToken}` } });
  return (await response.json()) as Body;
}

async function publish(ports: readonly number[]): Promise<number> {
  const targets = ports.map((port) => aTarget('127.0.0.1', { port }));
  const index = await putTargets(log, PUBLIC, targets, { loadBalancerClass: CLASS });
  await decided(log, index);
  await api.processAll();
  return index;
}

async function makeToken(): Promise<string> {
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'f5', scope: 'integrate', classes: [CLASS] }),
  };
  const { token } = (await (await fetch(`${api.url}/v1/tokens`, init)).json()) as { token: string };
  writeFileSync(join(folder, 'f5.token'), token);
  return join(folder, 'f5.token');
}

test('the example is short enough to be read', () => {
  expect(readFileSync(SCRIPT, 'utf8').split('\n').length).toBeLessThan(101);
});

describe('the example', () => {
  function startIntegration(name: string, tokenFile: string) {
    const env = {
      ...process.env,
      SIGNALBOX_API: api.url,
      SIGNALBOX_TOKEN_FILE: tokenFile,
      LEASE_MS: '3000',
      VIP: '203.0.113.7',
    };
    const child = spawn('python3', [SCRIPT, CLASS, name, join(folder, 'lb.conf')], { env, stdio: 'ignore' });
    const ended = once(child, 'exit');
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      await ended;
    };
    closers.push(kill);
    return { kill };
  }

  async function listeningPort(): Promise<number> {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  const lease = () => get<LeaseStatus>(`${BASE}/lease`);
  const group = () =>
    get<Partial<TargetGroupDetail>>(
      `${BASE}/target-groups/${encodeURIComponent('shop/shop/storefront-public:80/TCP')}`,
    );
  const reported = async (): Promise<string> => {
    const { report, targets } = await group();
    return `${report?.controller} ${report?.isCurrent} ${(targets ?? []).map(({ health }) => health?.health).join()}`;
  };
  const programmed = (): string[] => {
    const lines = readFileSync(join(folder, 'lb.conf'), 'utf8').split('\n');
    return lines.flatMap((line) => /^ {2}server (.*)$/.exec(line)?.[1] ?? []);
  };

  programTest('python3', 'programs and reports; killed with -9, another takes over and goes on', async () => {
    const tokenFile = await makeToken();
    const open = await listeningPort();
    await publish([open]);
    const first = startIntegration('f5-a', tokenFile);
    await expect.poll(reported, POLL).toBe('f5-a true healthy');
    expect(programmed()).toEqual([`127.0.0.1:${open} active`]);
    await expect
      .poll(async () => (await get<{ items: unknown[] }>('/v1/intents/load-balancer-addresses')).items, POLL)
      .toMatchObject([{ intent: { spec: { ingress: [{ ip: '203.0.113.7' }], source: 'controller:f5-a' } } }]);

    startIntegration('f5-b', tokenFile);
    const other = await listeningPort();
    await publish([open, other]);
    await expect.poll(programmed, POLL).toEqual([`127.0.0.1:${open} active`, `127.0.0.1:${other} active`]);
    const { holder, epoch } = await lease();
    expect(holder).toBe('f5-a');

    await first.kill();
    await publish([other]);
    await expect.poll(reported, POLL).toBe('f5-b true healthy');
    expect((await lease()).epoch).toBeGreaterThan(epoch);
    expect(programmed()).toEqual([`127.0.0.1:${other} active`]);
  });
});

describe('the guide', () => {
  const guide = readFileSync(join(ROOT, 'docs/elb-integration.md'), 'utf8');

  programTest('curl', 'runs as it is written', async () => {
    expect(await publish([8080])).toBe(1);
    const commands = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '').join('\n');
    const signalbox = `signalbox() { "${process.execPath}" "${CLI}" "$@" --token "$ADMIN"; }`;
    const env = { ...process.env, SIGNALBOX_API: api.url, ADMIN: adminToken };
    const script = `set -e\n${signalbox}\n${commands}`;
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { cwd: folder, env });
    expect(commands.match(/curl/g)?.length).toBeGreaterThan(6);
    expect(stdout).toContain('"programmedAt"');
    const lease = await get<LeaseStatus>(`${BASE}/lease`);
    expect(lease).toMatchObject({ state: 'free', epoch: 1 });
  });

  test('links to files that exist', () => {
    const links = [...guide.matchAll(/\]\(\.\.\/([^)#]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(1);
    for (const link of links) expect(() => readFileSync(join(ROOT, link)), link).not.toThrow();
  });
});
