/** A rollout is held by a readiness gate until HAProxy has found the new server healthy; all real but the cluster. */

import { join } from 'node:path';
import { createLogger, createRegistry } from '@signalbox/kit';
import { statusClient } from '@signalbox/kube';
import { GATE_PREFIX, startStatusWriter } from '@signalbox/status-writer';
import { afterEach, expect } from 'vitest';
import { type ApiServer, startApiServer } from '../harness/api-server/api-server.ts';
import { waitFor } from '../harness/event-log-tail.ts';
import { aCluster } from '../harness/objects.ts';
import { programTest } from '../harness/programs.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { aBalancedService, CLUSTER, LbWorld, type PodParts, podsOf } from '../load-balancers/lb-world.ts';
import { freePort, openHaproxyWorld } from './haproxy-world.ts';
import { startPod } from './load-balanced-pods.ts';
import { runningServers } from './running-haproxy.ts';

const GATED = {
  'signalbox.dev/lb-readiness-gate': 'true',
  'signalbox.dev/lb-health-check-interval': '200ms',
  'signalbox.dev/lb-health-check-healthy-threshold': '1',
};
const opened: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

programTest('haproxy', 'sends nothing to a pod behind its gate, and opens the gate once it answers', async () => {
  const haproxy = await openHaproxyWorld();
  opened.push(() => haproxy.close());
  const world = new LbWorld(haproxy.log);
  opened.push(() => world.stop());
  const api = await startWriter(haproxy.log);
  const [port, podPort] = [await freePort(), await freePort()];
  const publish = async (...pods: PodParts[]): Promise<void> => {
    const slice = podsOf('web', pods);
    await world.put({ ...slice, ports: [{ name: 'http', port: podPort, protocol: 'TCP' }] });
    await world.settled();
  };
  const conditions = (pod: string) => api.podConditions('shop', pod);
  const servers = async () =>
    (await runningServers(haproxy.socket, `${CLUSTER}:shop:web:${port}:TCP`)).map(({ place, weight }) => [
      place,
      weight,
    ]);

  const old = await startPod('web-0', '127.1.0.1', podPort);
  opened.push(() => old.kill());
  await world.putPolicy({ additions: { windowMs: 0, maxDelayMs: 0 } });
  await world.put(
    aBalancedService('web', { ports: [{ name: 'http', port, targetPort: 'http' }] }, { annotations: GATED }),
  );
  await world.start();
  await haproxy.startDriver({ loadBalancerClass: '' });
  await world.put(aCluster(CLUSTER));
  await publish({ address: old.address, pod: 'web-0' });
  await waitFor('the gate of the first pod', () => conditions('web-0').length === 1);

  // The new pod's container has not started to listen.
  await publish({ address: old.address, pod: 'web-0' }, { address: '127.1.0.2', pod: 'web-1', isReady: false });
  await waitFor('both servers', async () => (await servers()).length === 2);
  expect(await servers()).toEqual([
    [`127.1.0.1:${podPort}`, 1],
    [`127.1.0.2:${podPort}`, 0],
  ]);
  for (let i = 0; i < 20; i += 1) expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('web-0');
  expect(conditions('web-1')).toEqual([]);

  const young = await startPod('web-1', '127.1.0.2', podPort);
  opened.push(() => young.kill());
  await waitFor('the gate of the second pod', () => conditions('web-1').length === 1);
  expect(conditions('web-1')).toMatchObject([{ type: `${GATE_PREFIX}web`, status: 'True' }]);
  expect(young.requests).toBe(0);

  // The kubelet sees its gate open: the pod is ready, and the old one may go.
  await publish({ address: old.address, pod: 'web-0', isTerminating: true }, { address: '127.1.0.2', pod: 'web-1' });
  await waitFor('traffic for the new pod', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    return (await answer.text()) === 'web-1';
  });
});

async function startWriter(log: Parameters<typeof startStatusWriter>[0]['log']): Promise<ApiServer> {
  const folder = await temporaryFolder();
  opened.push(() => folder.remove());
  const api = await startApiServer();
  opened.push(() => api.stop());
  for (const pod of ['web-0', 'web-1']) api.addPod('shop', pod);
  const kubeconfig = await api.kubeconfig(join(folder.path, 'config'), { contexts: [CLUSTER] });
  const clusters = new Map([[CLUSTER, statusClient({ kubeconfig, context: CLUSTER })]]);
  const context = { log, logger: createLogger({ component: 'test', level: 'silent' }), registry: createRegistry() };
  const writer = startStatusWriter(context, { clusters });
  opened.push(() => writer.stop());
  return api;
}
