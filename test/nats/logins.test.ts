/** Every way of proving who we are, to a real nats-server; and what is said when it does not work. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { type EventLog, type JetStreamEventLogOptions, openJetStreamEventLog } from '@signalbox/event-log';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { entry } from '../harness/event-log-tail.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, temporaryFolder } from '../harness/signalbox.ts';
import { operatorMode } from './jwt.ts';

const missing = natsServerMissing();
const CERTIFICATE = join(ROOT, 'test/harness/api-server/test-certificate.pem');
const KEY = join(ROOT, 'test/harness/api-server/test-key.pem');

describe.skipIf(missing !== undefined)(`logins to nats-server${missing === undefined ? '' : ` (${missing})`}`, () => {
  const opened: { close?: () => Promise<void>; stop?: () => Promise<void> }[] = [];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    return () => folder.remove();
  });
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await (each.close?.() ?? each.stop?.());
  });

  async function serve(config: string): Promise<string> {
    const server = await startNatsServer({ config });
    opened.push(server);
    return server.url;
  }

  async function open(servers: string, options: Partial<JetStreamEventLogOptions>): Promise<EventLog> {
    const log = await openJetStreamEventLog({ name: 'test', maxBytes: 1024 ** 2, servers, ...options });
    opened.push(log);
    return log;
  }

  async function file(name: string, text: string): Promise<string> {
    const path = join(folder.path, name);
    await writeFile(path, text);
    return path;
  }

  async function works(servers: string, options: Partial<JetStreamEventLogOptions>): Promise<void> {
    const log = await open(servers, options);
    expect(await log.append('objects', entry('a'))).toBe(1);
  }

  test('user and password, with the newline that editors leave', async () => {
    const url = await serve('authorization { user: api, password: "s3cret" }');
    await works(url, { login: { user: 'api', passwordFile: await file('password', 's3cret\n') } });
    const wrong = open(url, { login: { user: 'api', passwordFile: await file('wrong', 'other') } });
    await expect(wrong).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(wrong).rejects.toThrow(/refuses this login: check user api and .*wrong/);
    await expect(open(url, {})).rejects.toThrow(/asks for a login: give user and password file/);
  });

  test('a password that was changed is read at the next connection', async () => {
    const path = await file('rotated', 'old');
    const server = await startNatsServer({ config: 'authorization { user: api, password: "old" }' });
    opened.push(server);
    const log = await open(server.url, { login: { user: 'api', passwordFile: path } });
    await server.kill();
    await expect.poll(() => log.state).toBe('disconnected');
    server.configure('authorization { user: api, password: "new" }');
    await writeFile(path, 'new');
    await server.restart();
    await expect.poll(() => log.state, { timeout: 20_000 }).toBe('connected');
    expect(await log.append('objects', entry('a'))).toBe(1);
  });

  test('a token', async () => {
    const url = await serve('authorization { token: "t0ken" }');
    await works(url, { login: { tokenFile: await file('token', 't0ken') } });
  });

  test('an NKey', async () => {
    const user = nkeys.createUser();
    const url = await serve(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`);
    const seed = new TextDecoder().decode(user.getSeed());
    await works(url, { login: { nkeyFile: await file('user.nk', `${seed}\n`) } });
    const broken = open(url, { login: { nkeyFile: await file('broken.nk', seed.slice(3)) } });
    await expect(broken).rejects.toMatchObject({ code: 'invalid' });
    await expect(broken).rejects.toThrow(/broken\.nk: it is no NKey seed/);
  });

  test('credentials of an operator', async () => {
    const { config, credentials } = operatorMode();
    const url = await serve(config);
    await works(url, { login: { credentialsFile: await file('user.creds', credentials) } });
  });

  test('TLS with an authority of our own, and a client certificate', async () => {
    const url = await serve(
      `tls { cert_file: "${CERTIFICATE}", key_file: "${KEY}", ca_file: "${CERTIFICATE}", verify: true }`,
    );
    const secure = url.replace('nats:', 'tls:');
    await works(secure, { tls: { caFile: CERTIFICATE, certFile: CERTIFICATE, keyFile: KEY } });
    await expect(open(secure, {})).rejects.toThrow(/certificate is not trusted: give the authority/);
  });

  test.for([
    { name: 'two logins', login: { tokenFile: KEY, nkeyFile: KEY }, says: /choose one way|NKey seed/ },
    { name: 'a user without password', login: { user: 'a' }, says: /user and a password file are given together/ },
    {
      name: 'a file that is not there',
      login: { tokenFile: '/nowhere/token' },
      says: /cannot use the file \/nowhere\/token/,
    },
  ])('$name: refused before anything is sent', async ({ login, says }) => {
    const opening = open('127.0.0.1:1', { login });
    await expect(opening).rejects.toMatchObject({ code: 'invalid' });
    await expect(opening).rejects.toThrow(says);
  });

  test('a password in the address is refused, and not repeated', async () => {
    const opening = open('nats://api:s3cret@127.0.0.1:1', {});
    await expect(opening).rejects.toMatchObject({ code: 'invalid' });
    await expect(opening).rejects.not.toThrow(/s3cret/);
  });
});
