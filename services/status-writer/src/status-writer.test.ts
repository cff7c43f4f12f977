import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApiWatcher } from '@signalbox/api-watcher';
import {
  type LogObject,
  loadBalancerAddressObjectSchema,
  nameForService,
  objectSubject,
  type TargetGroup,
  type TargetGroupReport,
  type TargetGroupSet,
  targetGroupReportSubject,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningService } from '@signalbox/kit';
import { kubernetesSource, statusClient } from '@signalbox/kube';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiObject, type ApiServer, startApiServer } from '../../../test/harness/api-server/api-server.ts';
import { waitFor } from '../../../test/harness/event-log-tail.ts';
import { aService, tombstoneOf, upsertOf } from '../../../test/harness/objects.ts';
import { GATE_PREFIX, startStatusWriter } from './index.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const WEB = { cluster: 'eu', namespace: 'shop', name: 'web' };
const opened: (() => Promise<void>)[] = [];
let server: ApiServer;
let log: EventLog;
let kubeconfig = '';

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-status-'));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  server = await startApiServer({ objects: [aBalanced('web')] });
  opened.push(() => server.stop());
  kubeconfig = await server.kubeconfig(join(folder, 'config'), { contexts: ['eu'] });
  log = openSqliteEventLog({ path: ':memory:' });
  opened.push(() => log.close());
  const source = kubernetesSource({ cluster: 'eu', domain: 'cluster.local', kubeconfig, context: 'eu' });
  const watcher = await startApiWatcher({ log, logger, registry: createRegistry() }, { sources: [source] });
  opened.push(() => watcher.stop());
});

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

function startWriter(): RunningService {
  const clusters = new Map([['eu', statusClient({ kubeconfig, context: 'eu' })]]);
  const writer = startStatusWriter({ log, logger, registry: createRegistry() }, { clusters, parkedMs: 20 });
  opened.push(() => writer.stop());
  return writer;
}

function aBalanced(name: string, status: object = { loadBalancer: {} }): ApiObject {
  const metadata = { name, namespace: 'shop' };
  return { kind: 'Service', apiVersion: 'v1', metadata, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] }, status };
}

function anAddress(ip: string): LogObject {
  const spec = { service: WEB, ingress: [{ ip }], source: 'pool:main' };
  const metadata = { name: nameForService(WEB) };
  return loadBalancerAddressObjectSchema.parse({ kind: 'LoadBalancerAddress', metadata, spec });
}

const allocate = (ip: string) => log.append('objects', upsertOf('', anAddress(ip)));

interface BalancedStatus {
  readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] };
}

function ingress(): string[] | undefined {
  const [service] = server.list('Service');
  return (service?.status as BalancedStatus | undefined)?.loadBalancer.ingress?.map(({ ip }) => ip);
}

const reach = (wanted: string[] | undefined) =>
  waitFor(`ingress ${String(wanted)}`, () => JSON.stringify(ingress()) === JSON.stringify(wanted));

test('an allocated address is written into the status, followed, and taken back', async () => {
  startWriter();
  await allocate('192.0.2.1');
  await reach(['192.0.2.1']);
  await allocate('192.0.2.2');
  await reach(['192.0.2.2']);
  await log.append('objects', tombstoneOf('', anAddress('192.0.2.2')));
  await reach(undefined);
});

test('what is written already is not written again after a restart', async () => {
  const first = startWriter();
  await allocate('192.0.2.1');
  await reach(['192.0.2.1']);
  const subject = objectSubject('eu', aService('web', {}, { namespace: 'shop' }));
  await waitFor(
    'the status in the log',
    async () => (await log.last('objects', subject))?.data?.includes('192.0.2.1') === true,
  );
  await first.stop();
  const second = startWriter();
  await waitFor('ready', () => second.readiness().isReady);
  await allocate('192.0.2.2');
  await reach(['192.0.2.2']);
  expect(server.patches).toHaveLength(2);
});

test('the address of another controller is left alone, until it lets go', async () => {
  server.put(aBalanced('web', { loadBalancer: { ingress: [{ ip: '198.51.100.7', ipMode: 'VIP' }] } }));
  startWriter();
  await allocate('192.0.2.1');
  await allocate('192.0.2.2');
  server.put(aBalanced('web'));
  await reach(['192.0.2.2']);
  expect(server.patches.map(({ body }) => body.status.loadBalancer?.ingress)).toEqual([[{ ip: '192.0.2.2' }]]);
});

test('an API server that fails, and one that refuses, get the write later', async () => {
  server.refusePatches(500, 2);
  const writer = startWriter();
  await allocate('192.0.2.1');
  await waitFor('trouble', () => writer.readiness().reason.includes('cannot write to eu'));
  await reach(['192.0.2.1']);
  server.refusePatches(403, 2);
  await allocate('192.0.2.2');
  await reach(['192.0.2.2']);
  expect(writer.readiness()).toEqual({ isReady: true, reason: '' });
});

test('clusters that are not named are not written to', async () => {
  const service = { ...WEB, cluster: 'us' };
  const writer = startWriter();
  const spec = { service, ingress: [{ ip: '192.0.2.9' }], source: 'pool:main' };
  const metadata = { name: nameForService(service) };
  const other = loadBalancerAddressObjectSchema.parse({ kind: 'LoadBalancerAddress', metadata, spec });
  await log.append('objects', upsertOf('', other));
  await allocate('192.0.2.1');
  await reach(['192.0.2.1']);
  expect(server.patches).toHaveLength(1);
  expect(writer.readiness().isReady).toBe(true);
});

test('a readiness gate opens when every target of the Pod is healthy, and does not close again', async () => {
  for (const pod of ['web-0', 'web-1']) server.addPod('shop', pod);
  startWriter();
  const key = { ...WEB, loadBalancerClass: '' };
  await log.append('targets', { subject: targetGroupSetSubject(key), data: JSON.stringify(aSet()) });
  const report = (health: Record<string, 'healthy' | 'unhealthy'>, port: string) =>
    log.append('status', {
      subject: targetGroupReportSubject({ ...key, port }),
      data: JSON.stringify(aReport(health, Number(port.split('/')[0]) + 8000)),
    });
  await report({ '10.0.0.1': 'healthy', '10.0.0.2': 'healthy' }, '80/TCP');
  await report({ '10.0.0.1': 'healthy', '10.0.0.2': 'unhealthy' }, '81/TCP');
  await waitFor('the first gate', () => server.podConditions('shop', 'web-0').length === 1);
  expect(server.podConditions('shop', 'web-0')).toMatchObject([{ type: `${GATE_PREFIX}web`, status: 'True' }]);
  expect(server.podConditions('shop', 'web-1')).toEqual([]);
  await report({ '10.0.0.1': 'unhealthy', '10.0.0.2': 'healthy' }, '81/TCP');
  await waitFor('the second gate', () => server.podConditions('shop', 'web-1').length === 1);
  expect(server.podConditions('shop', 'web-0')).toMatchObject([{ status: 'True' }]);
  expect(server.patches).toHaveLength(2);
});

function aSet(): TargetGroupSet {
  const groups = [80, 81].map(
    (port): TargetGroup => ({
      id: `eu/shop/web:${port}/TCP`,
      loadBalancerClass: '',
      portName: '',
      protocol: 'TCP',
      port,
      addresses: [],
      hostnames: [],
      sourceRanges: [],
      hasReadinessGate: true,
      healthCheck: { type: 'tcp', port: port + 8000 },
      targets: [0, 1].map((index) => ({
        type: 'pod',
        address: `10.0.0.${index + 1}`,
        port: port + 8000,
        cluster: 'eu',
        pod: `web-${index}`,
        weight: 0,
        state: 'active',
        reason: 'ready',
        sinceMs: 1,
      })),
    }),
  );
  return { ...WEB, revision: 1, changedAtMs: 1, decidedAtMs: 1, groups };
}

function aReport(health: Record<string, 'healthy' | 'unhealthy'>, port: number): TargetGroupReport {
  const targets = Object.entries(health).map(([address, each]) => ({ address, port, health: each, sinceMs: 1000 }));
  return { controller: 'test', index: 1, revision: 1, programmedAtMs: 1, error: '', targets, reportedAtMs: 1 };
}
