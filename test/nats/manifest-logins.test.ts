/** The nats-server of deploy/kubernetes as it is configured there, and the logins of Pods as they are mounted there. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type EventLog,
  type NatsLogin,
  openJetStreamEventLog,
  renderNatsConfig,
  SERVICE_ACCESS,
  type ServiceName,
} from '@signalbox/event-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tail } from '../harness/event-log-tail.ts';
import { type Container, type Manifest, parseAll, readKustomization } from '../harness/kustomization.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';

interface Secret extends Manifest {
  readonly stringData: Readonly<Record<string, string>>;
}

const MOUNT = '/etc/signalbox/nats';
const missing = natsServerMissing();
const overlay = (name: string): Manifest[] => readKustomization(join(ROOT, 'deploy/kubernetes/overlays', name));
const PLANE = overlay('write-back');
const MANIFESTS = [...PLANE, ...overlay('nodes').filter(({ metadata }) => metadata.namespace === 'signalbox-nodes')];
const WORKLOADS = MANIFESTS.filter(({ metadata, spec }) => spec?.template !== undefined && metadata.name !== 'nats');
const SERVICES = WORKLOADS.map(({ metadata }) => metadata.name as ServiceName);
const CONFIG = PLANE.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'nats')?.data ?? {};

test('the permissions in deploy/kubernetes are those of the services', () => {
  const remedy = 'signalbox nats permissions > deploy/kubernetes/nats/authorization.conf';
  expect(CONFIG['authorization.conf'], remedy).toBe(renderNatsConfig());
});

describe.skipIf(missing !== undefined)(`logins of Pods${missing === undefined ? '' : ` (${missing})`}`, () => {
  const logs: EventLog[] = [];
  const logins = new Map<string, NatsLogin>();
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let serverPasswords: Readonly<Record<string, string>> = {};
  let nats: NatsServer;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const { stdout } = await signalbox(['nats', 'secrets', '--agent-namespace', 'signalbox-nodes']);
    const secrets = parseAll(stdout) as Secret[];
    for (const workload of WORKLOADS)
      logins.set(workload.metadata.name, await mountLogin(workload, secrets, folder.path));
    serverPasswords = secretNamed(secrets, 'signalbox', 'nats-passwords').stringData;
    nats = await startNatsServer({
      config: singleServer(CONFIG['nats.conf'] ?? '', join(folder.path, 'store')),
      included: { 'authorization.conf': CONFIG['authorization.conf'] ?? '' },
      env: { POD_NAME: 'nats-0', ...serverPasswords },
      hasJetStream: false,
    });
  });

  afterAll(async () => {
    for (const log of logs) await log.close();
    await nats?.stop();
    await folder?.remove();
  });

  async function open(service: ServiceName, login: NatsLogin): Promise<EventLog> {
    const { managesStreams } = SERVICE_ACCESS[service];
    const small = managesStreams ? { maxBytes: 1024 ** 2 } : {};
    const log = await openJetStreamEventLog({ servers: nats.url, name: service, login, managesStreams, ...small });
    logs.push(log);
    return log;
  }

  const loginOf = (service: string): NatsLogin => logins.get(service) ?? {};

  // Those that make streams come first in the manifests; the others wait for them.
  test.for(SERVICES)('%s reads what it works on', async (service) => {
    const log = await open(service, loginOf(service));
    for (const stream of SERVICE_ACCESS[service].reads) {
      const tail = await new Tail(log, { from: 'snapshot' }, stream).caughtUp();
      await tail.stop();
    }
  });

  test.for(SERVICES)('%s is not let in with the password of another', async (service) => {
    const { passwordFile = '' } = loginOf(SERVICES.find((other) => other !== service) ?? '');
    await expect(open(service, { user: service, passwordFile })).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('nobody is let in without a login', async () => {
    await expect(open('dns-server', {})).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('passwords are other ones each time', async () => {
    const first = Object.values(serverPasswords);
    const { stdout } = await signalbox(['nats', 'secrets']);
    // One of them is that of the routes between servers.
    expect(first).toHaveLength(Object.keys(SERVICE_ACCESS).length + 1);
    expect(new Set(first).size).toBe(first.length);
    expect(first.filter((password) => stdout.includes(password))).toEqual([]);
  });
});

/** The same without its cluster, with another folder, and without a fixed port that another test may have. */
function singleServer(config: string, storeDir: string): string {
  return config
    .replace(/^cluster \{.*?^\}\n/ms, '')
    .replace('http_port: 8222\n', '')
    .replace('"/data"', `"${storeDir}"`);
}

/** What the kubelet does for a Pod: its Secret becomes files, its settings an environment. */
async function mountLogin({ metadata, spec }: Manifest, secrets: readonly Secret[], root: string): Promise<NatsLogin> {
  const { name, namespace = '' } = metadata;
  const { volumes = [], containers = [] } = spec?.template?.spec ?? {};
  const folder = join(root, name);
  await mkdir(folder);
  for (const { secret } of volumes) {
    const files = secret === undefined ? {} : secretNamed(secrets, namespace, secret.secretName).stringData;
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  }
  const environment = new Map(containers.flatMap((container) => environmentOf(container, namespace, secrets)));
  return {
    user: environment.get('SIGNALBOX_NATS_USER') ?? '',
    passwordFile: (environment.get('SIGNALBOX_NATS_PASSWORD_FILE') ?? '').replace(MOUNT, folder),
  };
}

function environmentOf(
  { env = [], envFrom = [] }: Container,
  namespace: string,
  secrets: readonly Secret[],
): [string, string][] {
  const names = envFrom.map(({ configMapRef }) => configMapRef?.name);
  const settings = MANIFESTS.filter(
    ({ metadata }) => metadata.namespace === namespace && names.includes(metadata.name),
  );
  const fromSecrets = env.flatMap(({ name, valueFrom }): [string, string][] => {
    const from = valueFrom?.secretKeyRef;
    return from === undefined ? [] : [[name, secretNamed(secrets, namespace, from.name).stringData[from.key] ?? '']];
  });
  return [...settings.flatMap(({ data = {} }) => Object.entries(data)), ...fromSecrets];
}

function secretNamed(secrets: readonly Secret[], namespace: string, name: string): Secret {
  const found = secrets.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
  if (found === undefined) throw new Error(`there is no Secret ${namespace}/${name}`);
  return found;
}
