/** Who may ask the API for what, over real sockets: tokens, TLS, limits. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type ApiOptions, type RunningApi, startApi } from '@signalbox/api';
import type { ApiReadiness, CreatedToken, Problem, Token } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type MetricsTokenFlags, metricsTokenOf } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decided, putTargets, WEB } from './target-world.ts';
import { putDerivedService } from './world.ts';

const TLS = join(import.meta.dirname, '../fixtures/tls');
let folder: string;
let log: EventLog;
let running: RunningApi[];
let logged: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-access-'));
  log = openSqliteEventLog({ path: ':memory:' });
  [running, logged] = [[], ''];
});
afterEach(async () => {
  for (const api of running) await api.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});

async function start(options: Partial<ApiOptions> = {}, flags: MetricsTokenFlags = {}): Promise<RunningApi> {
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      logged += chunk.toString();
      done();
    },
  });
  const logger = createLogger({ component: 'api', level: 'trace', destination });
  const metricsToken = metricsTokenOf(flags);
  const api = await startApi(
    { log, logger, registry: createRegistry(), ...(metricsToken && { metricsToken }) },
    {
      storePath: join(folder, `store-${running.length}.db`),
      listen: { address: '127.0.0.1', port: 0 },
      auth: 'token',
      adminTokenFile: join(folder, 'admin.token'),
      ...options,
    },
  );
  running.push(api);
  await api.processAll();
  return api;
}

const adminToken = (): string => readFileSync(join(folder, 'admin.token'), 'utf8').trim();

interface Asked<Body> {
  readonly status: number;
  readonly challenge: string | null;
  readonly retryAfter: string | null;
  readonly body: Body;
}

async function ask<Body = Problem>(
  api: RunningApi,
  path: string,
  { token, method = 'GET', body }: { token?: string; method?: string; body?: unknown } = {},
): Promise<Asked<Body>> {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${api.url}${path}`, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    retryAfter: response.headers.get('retry-after'),
    body: (isJson ? JSON.parse(text) : {}) as Body,
  };
}

async function make(api: RunningApi, request: object): Promise<string> {
  const { body, status } = await ask<CreatedToken>(api, '/v1/tokens', {
    token: adminToken(),
    method: 'POST',
    body: request,
  });
  expect(status).toBe(201);
  return body.token;
}

describe('whether tokens are asked for', () => {
  test.for<[auth: ApiOptions['auth'], address: string, status: number]>([
    ['auto', '127.0.0.1', 503],
    ['auto', '0.0.0.0', 401],
    ['none', '0.0.0.0', 503],
    ['token', '127.0.0.1', 401],
  ])('%s at %s: an anonymous list is answered with %i', async ([auth, address, status]) => {
    const api = await start({ ...(auth && { auth }), listen: { address, port: 0 } });
    const local = { ...api, url: api.url.replace('0.0.0.0', '127.0.0.1') };
    expect((await ask(local, '/v1/services')).status).toBe(status);
  });

  test('the first token is in a file of its owner alone, and stays the same', async () => {
    await start();
    expect(statSync(join(folder, 'admin.token')).mode & 0o777).toBe(0o600);
    const first = adminToken();
    const second = await start();
    expect(adminToken()).toBe(first);
    expect((await ask(second, '/v1/tokens', { token: first })).status).toBe(200);
  });

  test('a deleted first token does not come back at the next start', async () => {
    const api = await start();
    const other = await make(api, { name: 'other', scope: 'admin' });
    expect((await ask(api, '/v1/tokens/admin', { token: other, method: 'DELETE' })).status).toBe(200);
    const again = await start();
    expect((await ask(again, '/v1/tokens', { token: adminToken() })).status).toBe(401);
    expect((await ask(again, '/v1/tokens', { token: other })).status).toBe(200);
    // Nor when nothing remembers the deletion any more.
    expect(await log.compact('objects', { storedBeforeMs: Date.now() + 1 })).toBe(1);
    const later = await start();
    expect((await ask(later, '/v1/tokens', { token: adminToken() })).status).toBe(401);
  });
});

describe('a metrics token', () => {
  const token = 'metrics-of-this-test';
  let flags: MetricsTokenFlags;
  beforeEach(() => {
    flags = { metricsTokenFile: join(folder, 'metrics.token') };
    writeFileSync(join(folder, 'metrics.token'), token);
  });

  test('opens metrics and readiness where tokens are asked for, and nothing else; API tokens go on to', async () => {
    const api = await start({}, flags);
    expect((await ask(api, '/metrics', { token })).status).toBe(200);
    expect((await ask<ApiReadiness>(api, '/readyz', { token })).body.missing).toContain(
      'the dns layer has not derived anything yet',
    );
    for (const path of ['/v1/services', '/v1/tokens', '/metrics/x']) {
      expect([path, (await ask(api, path, { token })).status]).toEqual([path, 401]);
    }
    expect((await ask(api, '/metrics', { token: adminToken() })).status).toBe(200);
    expect((await ask(api, '/metrics', { token: `${token}r` })).status).toBe(401);
  });

  test('is asked for where no other is: for metrics, and for the reasons of readiness', async () => {
    const api = await start({ auth: 'none' }, flags);
    const refused = await ask(api, '/metrics');
    expect([refused.status, refused.challenge]).toEqual([401, 'Bearer realm="signalbox"']);
    expect((await ask(api, '/metrics', { token })).status).toBe(200);
    const unready = await ask<ApiReadiness>(api, '/readyz');
    expect(unready.status).toBe(503);
    expect(unready.body.missing).toEqual(['what is missing is told to holders of the metrics token']);
    expect((await ask<ApiReadiness>(api, '/readyz', { token })).body.missing).not.toEqual(unready.body.missing);
    expect((await ask(api, '/v1/services')).status).toBe(503);
  });
});

describe('a token', () => {
  test('is needed for all but health and documents; what is missing or wrong is told', async () => {
    const api = await start();
    for (const path of ['/healthz', '/openapi.json', '/docs']) expect((await ask(api, path)).status).toBe(200);
    for (const path of ['/v1/services', '/metrics', '/readyz', '/nothing', '/docs/../v1/services', '/v1/changes']) {
      expect([path, (await ask(api, path)).status]).toEqual([path, 401]);
    }
    expect((await ask(api, '/v1/services')).challenge).toBe('Bearer realm="signalbox"');
    const wrong = await ask(api, '/v1/services', { token: `${adminToken().slice(0, -1)}~` });
    expect([wrong.status, wrong.challenge]).toEqual([401, 'Bearer realm="signalbox", error="invalid_token"']);
  });

  test.for<[token: object, allowed: string[], refused: string[]]>([
    [
      { name: 'reader', scope: 'read' },
      ['GET /v1/services', 'GET /metrics', 'GET /v1/load-balancers', 'GET /v1/load-balancers/f5/target-groups'],
      [
        'GET /v1/tokens',
        'POST /v1/tokens',
        'PUT /v1/intents/dns-zones/example.com',
        'POST /v1/load-balancers/f5/lease',
      ],
    ],
    [
      { name: 'f5', scope: 'integrate', classes: ['example.com/f5', ''] },
      [
        'GET /v1/load-balancers/example.com%2Ff5/target-groups',
        'POST /v1/load-balancers/example.com%2Ff5/lease',
        'GET /v1/load-balancers/_/target-groups',
      ],
      [
        'GET /v1/load-balancers/other/target-groups',
        'POST /v1/load-balancers/other/lease',
        'GET /v1/load-balancers',
        'GET /v1/services',
        'GET /v1/tokens',
        'GET /v1/changes',
        'GET /v1/load-balancers/%E0%A4%A/target-groups',
        'GET /v1/load-balancers/example.com%2Ff5/target-groups/../../../services',
      ],
    ],
  ])('%j may do what its scope says, and nothing else', async ([request, allowed, refused]) => {
    const api = await start();
    await putDerivedService(log, WEB);
    await decided(log, 1);
    await api.processAll();
    const token = await make(api, request);
    const statusOf = async (line: string) => {
      const [method = '', path = ''] = line.split(' ');
      return (await ask(api, path, { token, method, ...(method === 'GET' ? {} : { body: {} }) })).status;
    };
    for (const line of allowed) expect([line, [200, 400].includes(await statusOf(line))]).toEqual([line, true]);
    for (const line of refused) expect([line, await statusOf(line)]).toEqual([line, 403]);
  });

  test('ends when it is taken back, everywhere, and when its time is up', async () => {
    const [api, replica] = [await start(), await start()];
    const token = await make(api, { name: 'reader', scope: 'read' });
    await replica.processAll();
    expect((await ask(replica, '/metrics', { token })).status).toBe(200);
    await ask(api, '/v1/tokens/reader', { token: adminToken(), method: 'DELETE' });
    await replica.processAll();
    expect([
      (await ask(api, '/metrics', { token })).status,
      (await ask(replica, '/metrics', { token })).status,
    ]).toEqual([401, 401]);
    const short = await make(api, { name: 'short', scope: 'read', expiresInSeconds: 1 });
    await expect.poll(async () => (await ask(api, '/metrics', { token: short })).status, { timeout: 5_000 }).toBe(401);
    const { body } = await ask<{ items: Token[] }>(api, '/v1/tokens', { token: adminToken() });
    expect(body.items.map(({ name, isExpired }) => [name, isExpired])).toEqual([
      ['admin', false],
      ['short', true],
    ]);
  });

  test('is told once, kept as a hash, and never logged', async () => {
    const api = await start();
    const token = await make(api, { name: 'reader', scope: 'read' });
    const secrets = [token, adminToken()].map((text) => text.split('.')[1] ?? '');
    await ask(api, '/metrics', { token });
    await ask(api, '/v1/nothing', { token });
    await ask(api, '/metrics', { token: `${token.slice(0, -2)}xx` });
    await ask(api, '/v1/tokens', { token: adminToken(), method: 'POST', body: { name: 'reader', scope: 'read' } });
    const listed = JSON.stringify((await ask(api, '/v1/tokens', { token: adminToken() })).body);
    const stored = (await log.last('objects', 'objects.all.ApiToken._._.reader'))?.data ?? '';
    expect(stored).toMatch(/"hash":"[0-9a-f]{64}"/);
    expect(logged).toContain('a log-in failed');
    for (const secret of secrets) {
      expect(secret).toHaveLength(43);
      for (const text of [logged, listed, stored]) expect(text).not.toContain(secret.slice(0, 20));
    }
  });

  test('that is wrong too often is refused for a while, without harm to others', async () => {
    const api = await start();
    const token = await make(api, { name: 'reader', scope: 'read' });
    const wrong = `${token.slice(0, -2)}xx`;
    for (let i = 0; i < 10; i += 1) expect((await ask(api, '/metrics', { token: wrong })).status).toBe(401);
    const limited = await ask(api, '/metrics', { token: wrong });
    expect([limited.status, Number(limited.retryAfter)]).toEqual([429, 5]);
    expect((await ask(api, '/metrics', { token })).status).toBe(429);
    expect((await ask(api, '/metrics', { token: adminToken() })).status).toBe(200);
  });
});

describe('limits', () => {
  test('requests per second are those of one client', async () => {
    const api = await start({ requestsPerSecond: 1 });
    const token = await make(api, { name: 'reader', scope: 'read' });
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await ask(api, '/metrics', { token })).status),
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(1);
    expect((await ask(api, '/v1/tokens', { token: adminToken() })).status).toBe(200);
  });

  test('a body that is too long is refused, also one that does not say how long it is', async () => {
    const api = await start({ auth: 'none' });
    const body = JSON.stringify({ name: 'x'.repeat(5 * 1024 * 1024) });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${api.url}/v1/tokens`, { method: 'POST', headers, body })).status).toBe(413);
    const stream = new Blob([body]).stream();
    const init = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit;
    const chunked = await fetch(`${api.url}/v1/tokens`, init).then(
      ({ status }) => status,
      () => 413,
    );
    expect(chunked).toBe(413);
  });

  test('headers that are too long are refused', async () => {
    const api = await start({ auth: 'none' });
    const { status } = await fetch(`${api.url}/healthz`, { headers: { 'x-long': 'x'.repeat(20_000) } });
    expect(status).toBe(431);
  });

  test('a client that never finishes its headers is let go', { timeout: 30_000 }, async () => {
    const api = await start({ auth: 'none' });
    const { hostname, port } = new URL(api.url);
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text).toContain('408 Request Timeout');
  });
});

describe('TLS', () => {
  const certificate = (name: string): Buffer => readFileSync(join(TLS, `${name}.crt`));

  function use(name: string): void {
    copyFileSync(join(TLS, `${name}.crt`), join(folder, 'tls.crt'));
    copyFileSync(join(TLS, `${name}.key`), join(folder, 'tls.key'));
  }

  const tls = () => ({ certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key'), checkIntervalMs: 20 });

  /** Subject of the certificate that a new connection is shown; rejects when the authority did not sign it. */
  function subjectAt(api: RunningApi, ca: Buffer[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(`${api.url}/healthz`, { ca, agent: false }, (response) => {
        response.resume();
        resolve(String((response.socket as TLSSocket).getPeerCertificate().subject.CN));
      });
      request.on('error', reject).end();
    });
  }

  test('is served, and a new certificate is used for new connections', async () => {
    use('first');
    const api = await start({ tls: tls() });
    expect(api.url).toMatch(/^https:/);
    const both = [certificate('first'), certificate('second')];
    expect(await subjectAt(api, both)).toBe('signalbox-first');
    await expect(subjectAt(api, [certificate('second')])).rejects.toThrow(/self-signed/);
    use('second');
    await expect.poll(() => subjectAt(api, both)).toBe('signalbox-second');
    use('first');
    process.emit('SIGHUP');
    await expect.poll(() => subjectAt(api, both)).toBe('signalbox-first');
  });

  test('goes on with the old certificate when the new one is no good', async () => {
    use('first');
    const api = await start({ tls: tls() });
    writeFileSync(join(folder, 'tls.crt'), 'nonsense');
    await expect.poll(() => logged).toContain('the new TLS key pair cannot be used');
    expect(await subjectAt(api, [certificate('first')])).toBe('signalbox-first');
  });

  test('does not start without a usable pair, and names the files', async () => {
    use('first');
    copyFileSync(join(TLS, 'second.key'), join(folder, 'tls.key'));
    await expect(start({ tls: tls() })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('tls.crt'),
    });
  });
});

test('a blocking query of a class works with its own token, over a socket', async () => {
  const api = await start();
  const token = await make(api, { name: 'f5', scope: 'integrate', classes: ['f5'] });
  const index = await putTargets(log, WEB, ['10.0.0.1'], { loadBalancerClass: 'f5' });
  await decided(log, 1);
  await api.processAll();
  const waiting = ask<{ index: number }>(api, `/v1/load-balancers/f5/target-groups?index=${index}`, { token });
  await putTargets(log, WEB, ['10.0.0.2'], { loadBalancerClass: 'f5' });
  expect((await waiting).body.index).toBeGreaterThan(index);
});
