/** The three NATS servers of docker-compose.yml and of deploy/kubernetes: one cluster, which nobody joins without its login. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EventLog, openJetStreamEventLog } from '@signalbox/event-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePorts } from '../harness/free-ports.ts';
import { type Manifest, parseAll, readKustomization } from '../harness/kustomization.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';

interface Deployment {
  readonly config: string;
  readonly included: Readonly<Record<string, string>>;
  /** Of each server. */
  readonly environments: readonly NodeJS.ProcessEnv[];
  /** Of the service that makes streams. */
  readonly passwordFile: string;
}

const missing = natsServerMissing();
const POLL = { timeout: 20_000, interval: 50 };
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

// The servers are what is tested: without the program there is nothing to do. In CI it is never missing, but fails to start.
describe.skipIf(missing !== undefined).each([
  { where: 'docker-compose.yml', deploymentOf: composed },
  { where: 'deploy/kubernetes', deploymentOf: orchestrated },
])(`NATS servers of $where${missing === undefined ? '' : ` (${missing})`}`, ({ deploymentOf }) => {
  const servers: NatsServer[] = [];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let routes: number[];
  let deployment: Deployment;

  beforeAll(async () => {
    folder = await temporaryFolder();
    routes = await freePorts(3);
    deployment = await deploymentOf(folder.path, routes);
    const { config, included, environments } = deployment;
    const starting = environments.map(async (env, i) => {
      const own = config
        .replace('port: 6222', `listen: "127.0.0.1:${routes[i]}"`)
        .replace('"/data"', JSON.stringify(join(folder.path, `store-${i}`)));
      servers.push(await startNatsServer({ config: own, included, env, hasJetStream: false }));
    });
    await Promise.all(starting);
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    await folder?.remove();
  });

  test('are one cluster, with room for a copy of each stream on each', async () => {
    const { passwordFile } = deployment;
    let log: EventLog | undefined;
    const open = async () => {
      log = await openJetStreamEventLog({
        servers: servers.map(({ url }) => url),
        name: 'api-watcher',
        login: { user: 'api-watcher', passwordFile },
        replicas: 3,
      });
      return log.state;
    };
    // Until they have found each other nobody leads, and opening fails.
    await expect.poll(open, POLL).toBe('connected');
    expect(await log?.append('objects', { subject: 'objects.p1.Service.shop.web.x', data: '{}' })).toBe(1);
    await log?.close();
  });

  test.for([
    { who: 'no login', login: '', isLetIn: false },
    { who: 'another password', login: 'routes:sb_guessed@', isLetIn: false },
    { who: 'the login of the others', login: undefined, isLetIn: true },
  ])('a server with $who: let in $isLetIn', async ({ login, isLetIn }) => {
    const logFile = join(folder.path, `stranger-${login}.log`);
    const [http] = await freePorts(1);
    const url = `nats://${login ?? loginIn(deployment)}127.0.0.1:${routes[0]}`;
    const stranger = await startNatsServer({
      config: `http: "127.0.0.1:${http}"
        log_file: "${logFile}"
        cluster { name: signalbox, listen: "127.0.0.1:-1", routes: ["${url}"] }`,
      hasJetStream: false,
    });
    try {
      const routeCount = async (): Promise<number> => {
        const answer = await fetch(`http://127.0.0.1:${http}/routez`);
        return ((await answer.json()) as { num_routes: number }).num_routes;
      };
      if (isLetIn) await expect.poll(routeCount, POLL).toBeGreaterThan(0);
      else await expect.poll(() => readFile(logFile, 'utf8'), POLL).toContain('Authorization Violation');
      expect((await routeCount()) > 0).toBe(isLetIn);
    } finally {
      await stranger.stop();
    }
  });
});

/** What the container nats-logins writes, with the addresses of this machine in place of the network's names. */
async function composed(folder: string, routes: readonly number[]): Promise<Deployment> {
  const { services } = parse(await read('docker-compose.yml'), { merge: true, maxAliasCount: -1 }) as {
    services: Record<string, { command: string[] }>;
  };
  const [, ...args] = services['nats-logins']?.command ?? [];
  const here = args.map((arg) =>
    arg.replace('=/logins', `=${folder}`).replaceAll(/nats-(\d):6222/g, (_, n) => `127.0.0.1:${routes[n - 1]}`),
  );
  expect(await signalbox(here)).toMatchObject({ code: 0 });
  const files = ['authorization.conf', 'routes.conf'];
  const texts = await Promise.all(files.map((file) => readFile(join(folder, 'nats', file), 'utf8')));
  const config = await read('deploy/compose/nats-cluster.conf');
  return {
    config: config.replaceAll('login/', '').replaceAll(/^(port|http): .*$/gm, ''),
    included: Object.fromEntries(files.map((file, i) => [file, texts[i] ?? ''])),
    environments: [1, 2, 3].map((n) => ({ SERVER_NAME: `nats-${n}` })),
    passwordFile: join(folder, 'api-watcher/password'),
  };
}

/** What the kubelet gives to the Pods: variables of the Secret, and those that refer to them. */
async function orchestrated(folder: string, routes: readonly number[]): Promise<Deployment> {
  const manifests = readKustomization(join(ROOT, 'deploy/kubernetes/overlays/plane'));
  const config = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'nats')?.data ?? {};
  const { stdout } = await signalbox(['nats', 'secrets']);
  const secrets = parseAll(stdout) as (Manifest & { stringData: Record<string, string> })[];
  const dataOf = (name: string) => secrets.find(({ metadata }) => metadata.name === name)?.stringData ?? {};
  const passwords = dataOf('nats-passwords');
  const pod = manifests.find(({ kind }) => kind === 'StatefulSet')?.spec?.template?.spec;
  const own = (pod?.containers[0]?.env ?? []).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value]],
  );
  const environment = Object.fromEntries(
    own.map(([name = '', value = '']) => [
      name,
      value
        .replaceAll(/\$\((\w+)\)/g, (_, variable: string) => passwords[variable] ?? '')
        .replaceAll(/nats-(\d)\.nats:6222/g, (_, n) => `127.0.0.1:${routes[n]}`),
    ]),
  );
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, dataOf('nats-login-api-watcher').password ?? '');
  return {
    config: (config['nats.conf'] ?? '').replaceAll(/^(port|http_port): .*$/gm, ''),
    included: { 'authorization.conf': config['authorization.conf'] ?? '' },
    environments: [0, 1, 2].map((n) => ({ ...passwords, ...environment, POD_NAME: `nats-${n}` })),
    passwordFile,
  };
}

/** As it stands in front of a host. */
function loginIn({ included, environments }: Deployment): string {
  const texts = [included['routes.conf'] ?? '', environments[0]?.NATS_ROUTE_0 ?? ''];
  return /routes:sb_[\w-]+@/.exec(texts.join('\n'))?.[0] ?? '';
}
