/** The NATS server of docker-compose.yml as it is configured there, and the logins of services as they are mounted there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EventLog, openJetStreamEventLog, SERVICE_ACCESS, type ServiceName } from '@signalbox/event-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';

interface ComposeService {
  readonly command?: string | readonly string[];
  readonly volumes?: readonly string[];
}

const missing = natsServerMissing();
const compose = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8');
const { services } = parse(compose, { merge: true, maxAliasCount: -1 }) as {
  services: Readonly<Record<string, ComposeService>>;
};

/** The volumes of logins that a container has, with where they are. */
const loginsOf = ({ volumes = [] }: ComposeService): string[] => volumes.filter((mount) => mount.startsWith('login-'));
const userOf = ({ command = '' }: ComposeService): string | undefined =>
  /--nats-user[= ]([a-z-]+)/.exec([command].flat().join(' '))?.[1];
const users = new Set(Object.values(services).flatMap((service) => userOf(service) ?? []));

test('a container has the login of its own service, and no other', () => {
  const { 'nats-logins': maker, ...others } = services;
  for (const [name, service] of Object.entries(others)) {
    const user = userOf(service);
    const expected = /^nats(-\d)?$/.test(name) ? ['login-nats:/etc/signalbox/login:ro'] : [];
    expect([name, loginsOf(service)]).toEqual([name, user === undefined ? expected : [`login-${user}:/login:ro`]]);
  }
  const made = ['nats', ...users].map((name) => `login-${name}:/logins/${name}`);
  expect(loginsOf(maker ?? {}).sort()).toEqual(made.sort());
});

describe.skipIf(missing !== undefined)(`logins of containers${missing === undefined ? '' : ` (${missing})`}`, () => {
  const logs: EventLog[] = [];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let nats: NatsServer;

  beforeAll(async () => {
    folder = await temporaryFolder();
    await signalbox(['nats', 'secrets', '--folder', folder.path]);
    const config = await readFile(join(ROOT, 'deploy/compose/nats.conf'), 'utf8');
    nats = await startNatsServer({
      // Ports and store are those of the test.
      config: config.replace('login/', '').replaceAll(/^(port|http|jetstream): .*$/gm, ''),
      included: { 'authorization.conf': await readFile(join(folder.path, 'nats/authorization.conf'), 'utf8') },
    });
  });
  afterAll(async () => {
    for (const log of logs) await log.close();
    await nats?.stop();
    await folder?.remove();
  });

  const passwordFile = (service: string): string => join(folder.path, service, 'password');

  async function open(service: ServiceName, password = service): Promise<EventLog> {
    const { managesStreams } = SERVICE_ACCESS[service];
    const login = { user: service, passwordFile: passwordFile(password) };
    const small = managesStreams ? { maxBytes: 1024 ** 2 } : {};
    const log = await openJetStreamEventLog({ servers: nats.url, name: service, login, managesStreams, ...small });
    logs.push(log);
    return log;
  }

  test('each service gets in with its own, and those that make streams make them', async () => {
    const names = [...users] as ServiceName[];
    const makersFirst = names.sort(
      (a, b) => Number(SERVICE_ACCESS[b].managesStreams) - Number(SERVICE_ACCESS[a].managesStreams),
    );
    for (const service of makersFirst) expect((await open(service)).state).toBe('connected');
    await expect(open('api', 'dns-server')).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('made again, passwords are what they were', async () => {
    const before = await readFile(passwordFile('api'), 'utf8');
    await signalbox(['nats', 'secrets', '--folder', folder.path]);
    expect(await readFile(passwordFile('api'), 'utf8')).toBe(before);
    expect(await readFile(join(folder.path, 'nats/authorization.conf'), 'utf8')).toContain(JSON.stringify(before));
  });
});
