/** The command line's view of load balancers and tokens, against a real API. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type ApiOptions, type RunningApi, startApi } from '@signalbox/api';
import { runCli } from '@signalbox/cli';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aTarget, decided, holdLease, putTargets, sayOfGroup, WEB } from './target-world.ts';
import { putDerivedService, quietLogger } from './world.ts';

const F5 = 'example.com/f5';
let folder: string;
let log: EventLog;
let api: RunningApi;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-cli-'));
  log = openSqliteEventLog({ path: ':memory:' });
});
afterEach(async () => {
  await api.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});

async function start(options: Partial<ApiOptions> = {}): Promise<void> {
  const listen = { address: '127.0.0.1', port: 0 };
  const adminTokenFile = join(folder, 'admin.token');
  api = await startApi(
    { log, logger: quietLogger, registry: createRegistry() },
    { storePath: ':memory:', listen, adminTokenFile, ...options },
  );
  await api.processAll();
}

/** On a terminal of 80 columns. */
async function signalbox(line: string): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' };
  const stdout = { columns: 80, write: (chunk: string) => (text.out += chunk) };
  const stderr = { write: (chunk: string) => (text.err += chunk) };
  const code = await runCli([...line.split(' '), '--api', api.url], { stdin: Readable.from([]), stdout, stderr });
  if (!line.includes('-o json')) expect(text.out.split('\n').filter((each) => each.length > 80)).toEqual([]);
  return { code, ...text };
}

async function fill(): Promise<void> {
  const sinceMs = Date.now() - 125_000;
  const targets = [
    aTarget('10.0.0.1', { pod: 'web-1', sinceMs }),
    aTarget('10.0.0.2', { state: 'draining', reason: 'terminating', sinceMs }),
  ];
  const index = await putTargets(log, WEB, targets, { loadBalancerClass: F5 });
  const healthy = { address: '10.0.0.1', port: 8080, health: 'healthy', sinceMs } as const;
  await sayOfGroup(log, WEB, { index, targets: [healthy] }, F5);
  await holdLease(log, { holder: 'f5-a', renewedAtMs: Date.UTC(2026, 2, 1) }, F5);
  await decided(log, index);
  await api.processAll();
}

describe('what is shown', () => {
  test('of one Service: each target with its state, reason, age and health', async () => {
    await start();
    await fill();
    const { out } = await signalbox('targets shop/web');
    expect(out).toBe(
      [
        'c1/shop/web:80/TCP  class example.com/f5, index 1, programmed by haproxy-1',
        'TARGET         STATE     REASON       AGE  HEALTH   AT',
        '10.0.0.1:8080  active    ready        2m   healthy  web-1',
        '10.0.0.2:8080  draining  terminating  2m   -        -',
        '',
      ].join('\n'),
    );
    const json = JSON.parse((await signalbox('targets shop/web -o json')).out.replaceAll('\n', '') || '[]') as object[];
    expect(json).toHaveLength(1);
  });

  test('of a Service that several clusters have, only with the cluster; of none, that there is none', async () => {
    await start();
    await fill();
    await putTargets(log, { ...WEB, cluster: 'c2' }, ['10.1.0.1']);
    await api.processAll();
    const both = await signalbox('targets shop/web');
    expect([both.code, both.err]).toEqual([2, 'signalbox: shop/web is in c1, c2: choose one with --cluster\n']);
    expect((await signalbox('targets shop/web --cluster c2')).out).toContain('10.1.0.1:8080');
    expect((await signalbox('targets shop/other')).code).toBe(4);
    expect((await signalbox('targets web')).code).toBe(2);
  });

  test('of classes: who programs them, and who fell silent', async () => {
    await start();
    await fill();
    const { out } = await signalbox('get load-balancers');
    const [head, row] = out.split('\n');
    expect(head?.split(/ +/)).toEqual([
      'CLASS',
      'CONTROLLER',
      'LEASE',
      'GROUPS',
      'DONE',
      'FAILING',
      'ACTIVE',
      'PAUSED',
    ]);
    expect(row).toMatch(/^example\.com\/f5 +f5-a +silent \d+d +1 +1 +0 +1 +-$/);
  });

  test('of registrations: targets by state', async () => {
    await start();
    await putDerivedService(log, WEB);
    await api.processAll();
    const [, row] = (await signalbox('get registrations')).out.split('\n');
    expect(row).toBe('c1       shop/web  80/TCP  -      1 active  203.0.113.7  tcp:30080');
  });
});

describe('what is asked for', () => {
  const policies = async () => {
    const { items } = (await (await fetch(`${api.url}/v1/intents/load-balancer-policies`)).json()) as {
      items: { intent: { metadata: { name: string }; spec: object } }[];
    };
    return items.map(({ intent }) => [intent.metadata.name, intent.spec]);
  };

  test('a pause of a class, or of a Service, and the end of both; other settings stay', async () => {
    await start();
    await fill();
    expect((await signalbox(`lb pause ${F5}`)).out).toMatch(/^paused at revision \d+\n$/);
    expect((await signalbox('get load-balancers')).out).toMatch(/ yes$/m);
    await signalbox('lb pause --service shop/web');
    const both = { loadBalancerClass: F5, isPaused: true, pausedServices: ['c1/shop/web'] };
    expect(await policies()).toEqual([['example.com_f5', both]]);
    await signalbox(`lb resume ${F5}`);
    await signalbox('lb resume --service shop/web');
    expect(await policies()).toEqual([['example.com_f5', { ...both, isPaused: false, pausedServices: [] }]]);
    await signalbox('lb pause _');
    expect(await policies()).toContainEqual(['default', { loadBalancerClass: '', isPaused: true }]);
    expect((await signalbox('lb pause')).code).toBe(2);
  });

  test('a confirmation, where something is held back', async () => {
    await start();
    await fill();
    expect((await signalbox('lb confirm shop/web')).err).toBe('Nothing is held back for shop/web.\n');
    const held = { targets: 3, untilMs: Date.UTC(2026, 2, 1) };
    await putTargets(log, WEB, ['10.0.0.1'], { loadBalancerClass: F5, held, revision: 42 });
    await api.processAll();
    expect((await signalbox('targets shop/web')).out).toContain('3 removals wait for "signalbox lb confirm"');
    expect((await signalbox('lb confirm shop/web')).out).toMatch(
      /^confirmed the removal of 3 targets at revision \d+\n$/,
    );
    const path = '/v1/intents/load-balancer-confirmations/shop.web.c1';
    expect(await (await fetch(`${api.url}${path}`)).json()).toMatchObject({
      intent: { spec: { service: WEB, revision: 42 } },
    });
  });
});

describe('an address', () => {
  const give = async (cluster: string, ip: string): Promise<void> => {
    const service = { ...WEB, cluster };
    const path = `/v1/intents/load-balancer-addresses/shop.web.${cluster}`;
    const body = JSON.stringify({ service, ingress: [{ ip }], source: 'controller:f5-a' });
    const answer = await fetch(`${api.url}${path}`, {
      method: 'PUT',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(201);
  };

  test('is taken back, of the cluster that is meant', async () => {
    await start();
    await fill();
    expect((await signalbox('lb release shop/web')).code).toBe(4);
    await give('c1', '203.0.113.7');
    await give('c2', '203.0.113.8');
    expect((await signalbox('lb release shop/web')).err).toContain('shop/web is in c1, c2: choose one with --cluster');
    expect((await signalbox('lb release shop/web --cluster c2')).out).toMatch(
      /^released 203\.0\.113\.8 \(controller:f5-a\) at revision \d+\n$/,
    );
    expect((await signalbox('lb release shop/web')).out).toContain('203.0.113.7');
    expect((await signalbox('lb release shop/web')).code).toBe(4);
  });
});

describe('tokens', () => {
  test('are made, listed and taken back, with a token, over TLS', async () => {
    const tls = join(import.meta.dirname, '../fixtures/tls');
    await start({ auth: 'token', tls: { certFile: join(tls, 'first.crt'), keyFile: join(tls, 'first.key') } });
    const access = `--token-file ${join(folder, 'admin.token')} --ca ${join(tls, 'first.crt')}`;
    const made = await signalbox(`token create f5 --scope integrate --class ${F5} --class _ ${access}`);
    expect([made.code, made.err]).toEqual([0, '']);
    expect(made.out).toMatch(/^sbx_f5\.[\w-]{43}\n$/);
    const { out } = await signalbox(`token list ${access}`);
    expect(out).toMatch(/^f5 +integrate +never +\d{4}-\d\d-\d\dT\d\d:\d\d +example.com\/f5, _$/m);
    writeFileSync(join(folder, 'f5.token'), made.out);
    const own = `--token-file ${join(folder, 'f5.token')} --ca ${join(tls, 'first.crt')}`;
    const refused = await signalbox(`get services ${own}`);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('scope integrate does not allow this')]);
    expect((await signalbox(`token delete f5 ${access}`)).out).toMatch(/^deleted at revision/);
    expect((await signalbox(`get services ${own}`)).err).toContain('SIGNALBOX_TOKEN_FILE');
    const untrusted = await signalbox(`token list --token ${readFileSync(join(folder, 'admin.token'), 'utf8').trim()}`);
    expect([untrusted.code, untrusted.err]).toEqual([3, expect.stringContaining('self-signed certificate')]);
  });

  test('of an API that does not ask for them are made with a warning; wrong flags are named', async () => {
    await start();
    const made = await signalbox('token create reader --scope read --expires-in 90d');
    expect([made.code, made.err]).toEqual([0, 'This API answers without tokens as well: see --api-auth.\n']);
    expect((await signalbox('token create reader --scope read')).err).toContain('there is a token called reader');
    expect((await signalbox('token create f5 --scope integrate')).code).toBe(2);
    expect((await signalbox('token create f5 --scope all')).code).toBe(2);
    expect((await signalbox('token create f5 --scope read --expires-in soon')).code).toBe(2);
    expect((await signalbox('token list --token-file /nowhere')).code).toBe(2);
  });
});
