/** What probes and load balancers are told by a node agent: kube-proxy's health endpoints, and health check node ports. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import type { RunningWorkers } from '@signalbox/kit';
import type { NodeAgent } from '@signalbox/node-agent';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { freePort } from '../harness/socket-endpoints.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import {
  acked,
  lastAck,
  put,
  putWorld,
  remove,
  startAgent,
  startPlane,
  theNode,
  theService,
  theSlice,
} from './agent-world.ts';

describeWithPrograms('health of a node agent', ['ip', 'nft', 'iptables-restore', 'ip6tables-restore'], () => {
  const lab = new NetworkLab('agent-health');
  let log: EventLog;
  let plane: RunningWorkers;
  let agent: NodeAgent;

  beforeAll(() => lab.open());
  afterAll(() => lab.close());
  beforeEach(async () => {
    log = openSqliteEventLog({ path: ':memory:' });
    plane = await startPlane(log);
    agent = await startAgent(log, lab, { maxLagMs: 100 });
  });
  afterEach(async () => {
    await agent.stop();
    await plane.stop();
    await log.close();
    lab.run('node', ['nft', 'flush', 'ruleset']);
  });

  const statusOf = async (path: string): Promise<number> => (await fetch(`${agent.proxyHealthUrl}${path}`)).status;

  test('is good while starting, as with kube-proxy', async () => {
    await waitFor('the node object to be looked for', async () => (await statusOf('/livez')) === 200);
    expect(agent.readiness().isReady).toBe(false);
  });

  test('says when rules were last known to be current', async () => {
    await acked(log, await putWorld(log));
    const response = await fetch(`${agent.proxyHealthUrl}/healthz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      lastUpdated: expect.stringMatching(/^\d{4}-/),
      currentTime: expect.stringMatching(/^\d{4}-/),
      nodeEligible: true,
    });
  });

  test.for([
    { name: 'is being deleted', node: theNode({ deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    {
      name: 'is about to be removed by the autoscaler',
      node: { ...theNode(), spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } },
    },
  ])('a node that $name is to get no new connections, and no restart', async ({ node }) => {
    await acked(log, await putWorld(log));
    const port = await freePort();
    await acked(
      log,
      await put(log, theService({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port })),
    );
    await put(log, node);
    await waitFor('an unhealthy node', async () => (await statusOf('/healthz')) === 503);
    // Load balancers go on sending it what its own endpoints serve.
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect(await statusOf('/livez')).toBe(200);
    await put(log, theNode());
    await waitFor('a healthy node', async () => (await statusOf('/healthz')) === 200);
  });

  test('is bad while a change cannot be applied, which is acknowledged as an error, and good again after', async () => {
    await agent.stop();
    const folder = await temporaryFolder();
    const [obstacle, wrapper] = [join(folder.path, 'obstacle'), join(folder.path, 'run.sh')];
    const command = `ip netns exec ${lab.namespaceOf('node')} "$@"`;
    await writeFile(
      wrapper,
      `#!/bin/sh\nif [ -e ${obstacle} ]; then echo in the way >&2; exit 1; fi\nexec ${command}\n`,
    );
    agent = await startAgent(log, lab, { backend: 'iptables', commandPrefix: ['sh', wrapper], maxLagMs: 100 });
    const revision = await putWorld(log);
    await acked(log, revision);
    await writeFile(obstacle, '');
    const next = await put(log, theSlice(['10.244.1.12']));
    await waitFor('an error', async () => (await lastAck(log))?.error.includes('in the way') ?? false);
    await waitFor('a node that lags', async () => (await statusOf('/livez')) === 503);
    expect((await lastAck(log))?.revision).toBe(revision);
    expect(agent.readiness()).toMatchObject({ isReady: false });
    await rm(obstacle);
    await acked(log, next);
    expect(await statusOf('/healthz')).toBe(200);
    await folder.remove();
  });

  test('health check node ports are answered where node ports are, and nowhere else', async () => {
    await agent.stop();
    const nodePortAddresses = ['127.0.0.1/32', 'fd00:240::/64'];
    agent = await startAgent(log, lab, { nodePortAddresses, healthCheckAddress: undefined });
    const port = await freePort();
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port };
    await acked(log, await putWorld(log));
    await acked(log, await put(log, theService(spec)));
    const answers = (host: string): Promise<boolean> =>
      fetch(`http://${host}:${port}/`).then(
        () => true,
        () => false,
      );
    await waitFor('the health check node port', () => answers('127.0.0.1'));
    expect([await answers('127.0.0.2'), await answers('[::1]')]).toEqual([false, false]);
  });

  test('health check node ports say how many endpoints the node has', async () => {
    const port = await freePort();
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port };
    await acked(log, await putWorld(log));
    await acked(log, await put(log, theService(spec)));
    const ask = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/`);
    await waitFor('the health check node port', () =>
      ask().then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    const response = await ask();
    expect(response.headers.get('x-load-balancing-endpoint-weight')).toBe('1');
    expect(await response.json()).toEqual({
      service: { namespace: 'shop', name: 'web' },
      localEndpoints: 1,
      serviceProxyHealthy: true,
    });
    await acked(log, await put(log, theSlice([])));
    await waitFor('no endpoints', async () => (await ask()).status === 503);
    await acked(log, await remove(log, theService()));
    await waitFor('the port to be closed', () =>
      ask().then(
        () => false,
        () => true,
      ),
    );
  });
});
