/** External IPs and load-balancer addresses, where they are addresses of this machine: all of 127.0.0.0/8 is. */
import type { ProxyPlan } from '@signalbox/contracts';
import { afterEach, expect, test } from 'vitest';
import {
  closeSockets,
  freePort,
  planEndpoint,
  tcpAnswer,
  tcpEndpoint,
} from '../../../../test/harness/socket-endpoints.ts';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { openUserspaceBalancer, type UserspaceBalancer } from './index.ts';

const NODE = { name: 'n1', addresses: ['127.0.0.1'] };
let balancer: UserspaceBalancer | undefined;

afterEach(async () => {
  closeSockets();
  await balancer?.close();
});

/** The service's port is a free one, because addresses are listened on at that. */
async function balance(parts: Partial<ProxyPlan>): Promise<{ opened: UserspaceBalancer; port: number }> {
  const port = await freePort();
  const endpoint = planEndpoint(await tcpEndpoint('127.0.0.2'));
  const plan = aPlan({ ports: [aPort({ port, endpoints: [endpoint] })], ...parts });
  const opened = openUserspaceBalancer({ closeTimeoutMs: 50 });
  balancer = opened;
  await opened.update([{ key: plan, plan }], NODE);
  return { opened, port };
}

test.for([
  { via: 'external-ip', parts: { externalIPs: ['127.0.0.40'] } },
  { via: 'load-balancer', parts: { loadBalancerVIPs: ['127.0.0.40'] } },
])('$via: the service answers at its port', async ({ via, parts }) => {
  const { opened, port } = await balance(parts);
  expect(opened.listeners()).toContainEqual(
    expect.objectContaining({ via, address: '127.0.0.40', port, state: 'listening', reason: '' }),
  );
  expect(await tcpAnswer('127.0.0.40', port)).toBe('127.0.0.2');
});

test('an address of another machine is reported, and the rest of the service works', async () => {
  const { opened } = await balance({ externalIPs: ['192.0.2.1'] });
  const [assigned, elsewhere] = ['assigned', 'external-ip'].map((via) =>
    opened.listeners().find((one) => one.via === via),
  );
  expect(elsewhere).toMatchObject({ state: 'failed', reason: '192.0.2.1 is no address of this machine' });
  expect(await tcpAnswer('127.0.0.1', assigned?.port ?? 0)).toBe('127.0.0.2');
});

test('a load balancer lets its source ranges in, and nobody else', async () => {
  const { port } = await balance({ loadBalancerVIPs: ['127.0.0.40'], loadBalancerSourceRanges: ['127.0.0.50/32'] });
  expect(await tcpAnswer('127.0.0.40', port, '127.0.0.50')).toBe('127.0.0.2');
  expect(await tcpAnswer('127.0.0.40', port, '127.0.0.51')).toBe('ECONNRESET');
});

test('the external policy is followed: Local without local endpoints serves the node itself only', async () => {
  const port = await freePort();
  const { address, port: at } = await tcpEndpoint('127.0.0.2');
  const endpoints = [anEndpoint({ address, port: at, node: 'n2' })];
  const plan = aPlan({
    externalIPs: ['127.0.0.40'],
    externalTrafficPolicy: 'Local',
    ports: [aPort({ port, endpoints })],
  });
  balancer = openUserspaceBalancer({ closeTimeoutMs: 50 });
  await balancer.update([{ key: plan, plan }], NODE);
  expect(balancer.listeners().find(({ via }) => via === 'external-ip')).toMatchObject({ endpointCount: 0 });
  expect(await tcpAnswer('127.0.0.40', port)).toBe('127.0.0.2');
});

test('SCTP is left to the kernel, and said so', async () => {
  const plan = aPlan({ ports: [aPort({ protocol: 'SCTP' })] });
  balancer = openUserspaceBalancer({ closeTimeoutMs: 50 });
  await balancer.update([{ key: plan, plan }], NODE);
  expect(balancer.listeners()).toMatchObject([{ state: 'failed', reason: 'SCTP needs a kernel backend' }]);
});
