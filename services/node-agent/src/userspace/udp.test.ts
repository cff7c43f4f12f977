/** UDP through real sockets on loopback. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import {
  closeSockets,
  type Endpoint,
  freePort,
  planEndpoint,
  udpClient,
  udpEndpoint,
} from '../../../../test/harness/socket-endpoints.ts';
import { aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { openUserspaceBalancer, type UserspaceBalancer, type UserspaceOptions } from './index.ts';

const NODE = { name: 'n1', addresses: ['127.0.0.1'] };
const KEY = { cluster: 'c1', namespace: 'shop', name: 'dns' };
const POLL = { timeout: 10_000, interval: 5 };

const balancers: UserspaceBalancer[] = [];

afterEach(async () => {
  closeSockets();
  await Promise.all(balancers.splice(0).map((balancer) => balancer.close()));
});

async function aBalancer(endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}, options: UserspaceOptions = {}) {
  const balancer = openUserspaceBalancer(options);
  balancers.push(balancer);
  const set = (endpoints: PlanEndpoint[]): Promise<void> =>
    balancer.update([{ key: KEY, plan: aPlan({ ports: [aPort({ protocol: 'UDP', endpoints })], ...parts }) }], NODE);
  await set(endpoints);
  const port = balancer.listeners()[0]?.port ?? 0;
  return { balancer, set, port, remove: () => balancer.update([{ key: KEY, plan: undefined }], NODE) };
}

const three = (): Promise<Endpoint[]> => Promise.all(['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(udpEndpoint));

test('each client is a flow that stays with its endpoint; flows go to each endpoint in turn', async () => {
  const { balancer, port } = await aBalancer((await three()).map((endpoint) => planEndpoint(endpoint)));
  const seen: string[] = [];
  for (let index = 0; index < 6; index += 1) {
    const client = await udpClient('127.0.0.1', port);
    const answers = [await client.ask(), await client.ask(), await client.ask()];
    expect(new Set(answers).size).toBe(1);
    seen.push(answers[0] ?? '');
  }
  expect(seen.sort()).toEqual(['127.0.0.2', '127.0.0.2', '127.0.0.3', '127.0.0.3', '127.0.0.4', '127.0.0.4']);
  expect(balancer.stats().flows).toBe(6);
});

test('works over IPv6', async () => {
  const endpoint = await udpEndpoint('::1');
  const parts = { clusterIPs: ['fd00:96::10'] };
  const { port } = await aBalancer([planEndpoint(endpoint)], parts, { listenHosts: ['::1'] });
  expect(await (await udpClient('::1', port)).ask()).toBe('::1');
});

test('keeps all flows of a client at one endpoint with session affinity', async () => {
  const endpoints = (await three()).map((endpoint) => planEndpoint(endpoint));
  const { port } = await aBalancer(endpoints, { sessionAffinitySeconds: 10 });
  const clients = await Promise.all([1, 2, 3].map(() => udpClient('127.0.0.1', port)));
  const answers: string[] = [];
  for (const client of clients) answers.push(await client.ask());
  expect(new Set(answers).size).toBe(1);
});

test('drops datagrams while there is no endpoint', async () => {
  const { balancer, port, set } = await aBalancer([]);
  const client = await udpClient('127.0.0.1', port);
  client.send();
  await expect.poll(() => balancer.stats(), POLL).toMatchObject({ droppedDatagrams: 1, flows: 0 });
  await set([planEndpoint(await udpEndpoint('127.0.0.2'))]);
  expect(await client.ask()).toBe('127.0.0.2');
});

test('ends a flow that was idle', async () => {
  const { balancer, port } = await aBalancer([planEndpoint(await udpEndpoint('127.0.0.2'))], {}, { udpIdleMs: 40 });
  const client = await udpClient('127.0.0.1', port);
  expect(await client.ask()).toBe('127.0.0.2');
  await expect.poll(() => balancer.stats().flows, POLL).toBe(0);
  expect(await client.ask()).toBe('127.0.0.2');
});

test('stays within its limit of flows in a flood of clients, and serves those that come later', async () => {
  const { balancer, port } = await aBalancer([planEndpoint(await udpEndpoint('127.0.0.2'))], {}, { maxFlows: 20 });
  const clients = await Promise.all(Array.from({ length: 300 }, () => udpClient('127.0.0.1', port)));
  let most = 0;
  for (const client of clients) {
    client.send();
    most = Math.max(most, balancer.stats().flows);
  }
  await expect.poll(() => balancer.stats().flows, POLL).toBe(20);
  for (const client of clients.slice(0, 30)) {
    expect(await client.ask()).toBe('127.0.0.2');
    most = Math.max(most, balancer.stats().flows);
  }
  expect(most).toBeLessThanOrEqual(20);
});

describe('a flow', () => {
  test('stays with an endpoint that terminates but serves, and leaves one that serves no more', async () => {
    const [old, other] = [await udpEndpoint('127.0.0.2'), await udpEndpoint('127.0.0.3')];
    const { port, set } = await aBalancer([planEndpoint(old)]);
    const client = await udpClient('127.0.0.1', port);
    expect(await client.ask()).toBe('127.0.0.2');
    const leaving = { ready: false, terminating: true };
    await set([planEndpoint(old, leaving), planEndpoint(other)]);
    expect(await client.ask()).toBe('127.0.0.2');
    await set([planEndpoint(old, { ...leaving, serving: false }), planEndpoint(other)]);
    expect(await client.ask()).toBe('127.0.0.3');
    await set([planEndpoint(old)]);
    expect(await client.ask()).toBe('127.0.0.2');
  });

  test('moves on when its endpoint has nothing at the port', async () => {
    const gone = { address: '127.0.0.3', port: await freePort('127.0.0.3') };
    const { port } = await aBalancer([planEndpoint(gone), planEndpoint(await udpEndpoint('127.0.0.2'))]);
    expect(await (await udpClient('127.0.0.1', port)).ask()).toBe('127.0.0.2');
  });

  test('ends with its service', async () => {
    const { balancer, port, remove } = await aBalancer([planEndpoint(await udpEndpoint('127.0.0.2'))]);
    expect(await (await udpClient('127.0.0.1', port)).ask()).toBe('127.0.0.2');
    await remove();
    expect(balancer.stats().flows).toBe(0);
  });
});
