import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HealthServer, startHealthServer } from './health-server.ts';
import { createRegistry } from './metrics.ts';
import { metricsTokenOf } from './metrics-token.ts';

const TOKEN = 'correct-horse-battery';
const NOT_READY = { isReady: false, reason: 'the cluster shop is not synced' };
const CHALLENGE = 'Bearer realm="signalbox"';

let folder: string;
let file: string;
let server: HealthServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-health-'));
  file = join(folder, 'token');
  writeFileSync(file, `${TOKEN}\n`);
});
afterEach(async () => {
  await server?.close();
  rmSync(folder, { recursive: true });
});

async function start({ hasToken, readiness = NOT_READY }: { hasToken: boolean; readiness?: typeof NOT_READY }) {
  const metricsToken = metricsTokenOf(hasToken ? { metricsTokenFile: file } : {});
  server = await startHealthServer({
    listen: { address: '127.0.0.1', port: 0 },
    registry: createRegistry(),
    readiness: () => readiness,
    ...(metricsToken && { metricsToken }),
  });
}

async function ask(path: string, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization };
  const response = await fetch(`${server?.url}${path}`, { headers });
  return [response.status, response.headers.get('www-authenticate'), await response.text()] as const;
}

test('without a token everybody may know', async () => {
  await start({ hasToken: false });
  expect((await ask('/metrics'))[0]).toBe(200);
  expect(await ask('/readyz')).toEqual([503, null, `not ready: ${NOT_READY.reason}\n`]);
});

test.for([true, false])('metrics say whether it is ready: %s', async (isReady) => {
  await start({ hasToken: false, readiness: { isReady, reason: '' } });
  expect((await ask('/metrics'))[2]).toMatch(new RegExp(`^signalbox_ready ${Number(isReady)}$`, 'm'));
});

test.for([
  { name: 'no token', authorization: undefined, challenge: CHALLENGE },
  { name: 'another token', authorization: `Bearer ${TOKEN}r`, challenge: `${CHALLENGE}, error="invalid_token"` },
  { name: 'a part of it', authorization: `Bearer ${TOKEN.slice(1)}`, challenge: `${CHALLENGE}, error="invalid_token"` },
  { name: 'another way to log in', authorization: `Basic ${TOKEN}`, challenge: CHALLENGE },
])('with $name there are no metrics and no reasons', async ({ authorization, challenge }) => {
  await start({ hasToken: true });
  expect(await ask('/metrics', authorization)).toEqual([401, challenge, expect.not.stringContaining(TOKEN)]);
  expect(await ask('/readyz', authorization)).toEqual([503, null, 'not ready\n']);
  expect(await ask('/healthz', authorization)).toEqual([200, null, 'ok\n']);
});

test('with the token there are both', async () => {
  await start({ hasToken: true });
  expect((await ask('/metrics', `Bearer ${TOKEN}`))[0]).toBe(200);
  expect(await ask('/readyz', `bearer ${TOKEN}`)).toEqual([503, null, `not ready: ${NOT_READY.reason}\n`]);
});

test('whether it is ready is for everybody', async () => {
  await start({ hasToken: true, readiness: { isReady: true, reason: '' } });
  expect(await ask('/readyz')).toEqual([200, null, 'ready\n']);
});

test('a token that was changed is the right one at once; while its file is away, the last one is', async () => {
  await start({ hasToken: true });
  writeFileSync(file, 'another-horse-battery');
  expect((await ask('/metrics', `Bearer ${TOKEN}`))[0]).toBe(401);
  expect((await ask('/metrics', 'Bearer another-horse-battery'))[0]).toBe(200);
  rmSync(file);
  expect((await ask('/metrics', 'Bearer another-horse-battery'))[0]).toBe(200);
  expect((await ask('/metrics', `Bearer ${TOKEN}`))[0]).toBe(401);
});

test.for([
  { name: 'is empty', text: '\n' },
  { name: 'is too short to be a secret', text: 'prometheus' },
  { name: 'holds several words', text: `${TOKEN} ${TOKEN}` },
])('a file that $name is refused at the start', ({ text }) => {
  writeFileSync(file, text);
  expect(() => metricsTokenOf({ metricsTokenFile: file })).toThrow(`${file} is not usable: it must be one word`);
});

test('a file that is not there is refused at the start', () => {
  const open = (): unknown => metricsTokenOf({ metricsTokenFile: join(folder, 'none') });
  expect(open).toThrow(expect.objectContaining({ code: 'invalid' }));
});
