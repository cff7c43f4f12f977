/** TCP through real sockets on loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import {
  closeSockets,
  freePort,
  planEndpoint,
  tcpAnswer,
  tcpClient,
  tcpEndpoint,
} from '../../../../test/harness/socket-endpoints.ts';
import { aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { openUserspaceBalancer, type UserspaceBalancer, type UserspaceOptions } from './index.ts';

const NODE = { name: 'n1', addresses: ['127.0.0.1'] };
const KEY = { cluster: 'c1', namespace: 'shop', name: 'web' };
const POLL = { timeout: 10_000, interval: 5 };

const balancers: UserspaceBalancer[] = [];

afterEach(async () => {
  closeSockets();
  await Promise.all(balancers.splice(0).map((balancer) => balancer.close()));
});

/** A balancer with one service, and a way to change the service's endpoints. */
async function aBalancer(endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}, options: UserspaceOptions = {}) {
  const balancer = openUserspaceBalancer({ closeTimeoutMs: 50, ...options });
  balancers.push(balancer);
  const set = (endpoints: PlanEndpoint[]): Promise<void> =>
    balancer.update([{ key: KEY, plan: aPlan({ ports: [aPort({ endpoints })], ...parts }) }], NODE);
  await set(endpoints);
  const port = balancer.listeners()[0]?.port ?? 0;
  return { balancer, set, port, remove: () => balancer.update([{ key: KEY, plan: undefined }], NODE) };
}

async function answers(count: number, port: number, localAddress?: string): Promise<string[]> {
  const all: string[] = [];
  for (let asked = 0; asked < count; asked += 1) all.push(await tcpAnswer('127.0.0.1', port, localAddress));
  return all;
}

function countsOf(all: readonly string[]): Record<string, number> {
  return Object.fromEntries([...new Set(all)].sort().map((one) => [one, all.filter((other) => other === one).length]));
}

const three = () => Promise.all(['127.0.0.2', '127.0.0.3', '127.0.0.4'].map((address) => tcpEndpoint(address)));

describe('connections', () => {
  test('go to each endpoint in turn', async () => {
    const { port } = await aBalancer((await three()).map((endpoint) => planEndpoint(endpoint)));
    expect(countsOf(await answers(12, port))).toEqual({ '127.0.0.2': 4, '127.0.0.3': 4, '127.0.0.4': 4 });
  });

  test('follow the weights', async () => {
    const weights = [3, 1, 0];
    const endpoints = (await three()).map((each, index) => planEndpoint(each, { weight: weights[index] ?? 1 }));
    const { port } = await aBalancer(endpoints);
    expect(countsOf(await answers(12, port))).toEqual({ '127.0.0.2': 9, '127.0.0.3': 3 });
  });

  test('of both families reach endpoints of their own, and of the other where there is only that', async () => {
    const [v4, v6] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('::1')];
    const both = [planEndpoint(v4), planEndpoint(v6)];
    const clusterIPs = ['10.96.0.10', 'fd00:96::10'];
    const { balancer } = await aBalancer(both, { clusterIPs }, { listenHosts: ['127.0.0.1', '::1'] });
    const ports = balancer.listeners().map(({ address, port }) => [address, port] as const);
    const asked = await Promise.all(ports.map(([address, port]) => tcpAnswer(address, port ?? 0)));
    expect(asked).toEqual(['127.0.0.2', '::1']);
    const { port } = await aBalancer([planEndpoint(v6)], { clusterIPs: ['fd00:96::10'] });
    expect(await answers(1, port)).toEqual(['::1']);
  });

  test('pass data both ways after one side has finished', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2', (socket) => {
      let received = '';
      socket.on('data', (data) => {
        received += data.toString();
      });
      socket.on('end', () => socket.end(`${received} and goodbye\n`));
    });
    const { port } = await aBalancer([planEndpoint(endpoint)]);
    const { socket, line } = tcpClient('127.0.0.1', port);
    socket.end('hello');
    expect([await line(), await line(), await line()]).toEqual(['127.0.0.2', 'hello and goodbye', 'closed']);
  });

  test('make the sender wait for a receiver that does not read, and lose nothing', async () => {
    const chunk = Buffer.alloc(65_536, 'x');
    const total = 1024;
    let sent = 0;
    const endpoint = await tcpEndpoint('127.0.0.2', (socket) => {
      const send = (): void => {
        while (sent < total) {
          sent += 1;
          if (!socket.write(chunk)) return;
        }
        socket.end();
      };
      socket.on('drain', send);
      send();
    });
    const { port } = await aBalancer([planEndpoint(endpoint)]);
    const { socket } = tcpClient('127.0.0.1', port);
    let received = 0;
    socket.on('data', (data) => {
      received += data.length;
    });
    await once(socket, 'data');
    socket.pause();
    await quietTurns(() => sent);
    expect(sent).toBeLessThan(total / 2);
    socket.resume();
    await once(socket, 'end');
    expect(received).toBe('127.0.0.2\n'.length + total * chunk.length);
  });

  test('that are reset on one side are reset on the other', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2', (socket) => {
      socket.on('data', () => socket.resetAndDestroy());
    });
    const { port } = await aBalancer([planEndpoint(endpoint)]);
    const { socket, line } = tcpClient('127.0.0.1', port);
    await line();
    socket.write('go away');
    expect(await line()).toBe('ECONNRESET');
  });

  test('beyond the limit are reset, until others have ended', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { balancer, port } = await aBalancer([planEndpoint(endpoint)], {}, { maxConnections: 2 });
    const open = [tcpClient('127.0.0.1', port), tcpClient('127.0.0.1', port)];
    expect(await Promise.all(open.map(({ line }) => line()))).toEqual(['127.0.0.2', '127.0.0.2']);
    expect(await answers(1, port)).toEqual(['ECONNRESET']);
    expect(balancer.stats()).toMatchObject({ connections: 2, refusedConnections: 1 });
    open[0]?.socket.destroy();
    await expect.poll(() => balancer.stats().connections, POLL).toBe(1);
    expect(await answers(1, port)).toEqual(['127.0.0.2']);
  });
});

describe('an endpoint that cannot be reached', () => {
  test('is passed over when it refuses', async () => {
    const gone = { address: '127.0.0.3', port: await freePort('127.0.0.3') };
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { balancer, port } = await aBalancer([planEndpoint(gone), planEndpoint(endpoint)]);
    expect(countsOf(await answers(6, port))).toEqual({ '127.0.0.2': 6 });
    expect(balancer.stats().connectFailures).toBeGreaterThan(0);
  });

  test('is passed over when it is silent', async () => {
    const silent = await silentEndpoint('127.0.0.5');
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { port } = await aBalancer([planEndpoint(silent), planEndpoint(endpoint)], {}, { connectTimeoutMs: 50 });
    expect(countsOf(await answers(2, port))).toEqual({ '127.0.0.2': 2 });
  });

  test('resets the client when there is no other', async () => {
    const gone = { address: '127.0.0.3', port: await freePort('127.0.0.3') };
    const { port } = await aBalancer([planEndpoint(gone)]);
    expect(await answers(1, port)).toEqual(['ECONNRESET']);
  });
});

describe('session affinity', () => {
  test('keeps a client at its endpoint until it was away for the timeout', async () => {
    const clock = { ms: 0 };
    const endpoints = (await three()).map((endpoint) => planEndpoint(endpoint));
    const { port } = await aBalancer(endpoints, { sessionAffinitySeconds: 10 }, { now: () => clock.ms });
    expect(countsOf(await answers(5, port))).toEqual({ '127.0.0.2': 5 });
    expect(countsOf(await answers(5, port, '127.0.0.9'))).toEqual({ '127.0.0.3': 5 });
    clock.ms = 9_999;
    expect(await answers(1, port)).toEqual(['127.0.0.2']);
    clock.ms = 19_998;
    expect(await answers(1, port, '127.0.0.9')).toEqual(['127.0.0.4']);
    expect(await answers(1, port)).toEqual(['127.0.0.2']);
  });

  test('ends with the endpoint', async () => {
    const endpoints = (await three()).map((endpoint) => planEndpoint(endpoint));
    const { port, set } = await aBalancer(endpoints, { sessionAffinitySeconds: 10 });
    expect(await answers(2, port)).toEqual(['127.0.0.2', '127.0.0.2']);
    await set(endpoints.slice(1));
    const [next] = await answers(1, port);
    expect(next).not.toBe('127.0.0.2');
    expect(await answers(2, port)).toEqual([next, next]);
  });

  test('moves to another endpoint when its own refuses', async () => {
    const [first, second] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('127.0.0.3')];
    const { port } = await aBalancer([planEndpoint(first), planEndpoint(second)], { sessionAffinitySeconds: 10 });
    expect(await answers(1, port)).toEqual(['127.0.0.2']);
    first.close();
    expect(await answers(3, port)).toEqual(['127.0.0.3', '127.0.0.3', '127.0.0.3']);
  });
});

describe('changes', () => {
  test('leave open connections alone: endpoint terminating, removed, service deleted', async () => {
    const [old, other] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('127.0.0.3')];
    const { port, set, remove } = await aBalancer([planEndpoint(old)]);
    const { socket, line } = tcpClient('127.0.0.1', port);
    expect(await line()).toBe('127.0.0.2');
    const echo = async (text: string): Promise<string> => {
      socket.write(`${text}\n`);
      return await line();
    };
    await set([planEndpoint(old, { ready: false, terminating: true }), planEndpoint(other)]);
    expect([await echo('terminating'), ...(await answers(2, port))]).toEqual(['terminating', '127.0.0.3', '127.0.0.3']);
    await set([planEndpoint(other)]);
    expect([await echo('removed'), ...(await answers(2, port))]).toEqual(['removed', '127.0.0.3', '127.0.0.3']);
    await remove();
    expect([await echo('deleted'), ...(await answers(1, port))]).toEqual(['deleted', 'ECONNREFUSED']);
  });

  test('without endpoints connections are reset, and served again at the same port when there are some', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { balancer, port, set } = await aBalancer([]);
    expect(await answers(1, port)).toEqual(['ECONNRESET']);
    await set([planEndpoint(endpoint)]);
    expect(await answers(1, port)).toEqual(['127.0.0.2']);
    expect(balancer.listeners()).toMatchObject([{ port, state: 'listening', endpointCount: 1 }]);
  });

  test('endpoints that terminate but still serve are used when there are no others', async () => {
    const [draining, stopped] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('127.0.0.3')];
    const leaving = { ready: false, terminating: true };
    const { port } = await aBalancer([
      planEndpoint(draining, leaving),
      planEndpoint(stopped, { ...leaving, serving: false }),
    ]);
    expect(countsOf(await answers(4, port))).toEqual({ '127.0.0.2': 4 });
  });
});

describe('traffic policies', () => {
  test('an internal policy of Local uses endpoints of this node only', async () => {
    const [here, there] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('127.0.0.3')];
    const elsewhere = planEndpoint(there, { node: 'n2' });
    const { port, set } = await aBalancer([planEndpoint(here), elsewhere], { internalTrafficPolicy: 'Local' });
    expect(countsOf(await answers(4, port))).toEqual({ '127.0.0.2': 4 });
    await set([elsewhere]);
    expect(await answers(1, port)).toEqual(['ECONNRESET']);
  });

  test('an external policy of Local binds clients from elsewhere, not those of this node', async () => {
    const [here, there] = [await tcpEndpoint('127.0.0.2'), await tcpEndpoint('127.0.0.3')];
    const nodePort = await freePort();
    const endpoints = [planEndpoint(here), planEndpoint(there, { node: 'n2' })];
    const ports = [aPort({ endpoints, nodePort })];
    const { balancer, port } = await aBalancer([], { externalTrafficPolicy: 'Local', ports });
    expect(balancer.listeners()).toMatchObject([{ via: 'node-port', port: nodePort, endpointCount: 1 }]);
    expect(countsOf(await answers(4, port))).toEqual({ '127.0.0.2': 2, '127.0.0.3': 2 });
  });
});

describe('close', () => {
  test('waits for open connections to end', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { balancer, port } = await aBalancer([planEndpoint(endpoint)], {}, { closeTimeoutMs: 60_000 });
    const { socket, line } = tcpClient('127.0.0.1', port);
    await line();
    const closed = balancer.close();
    expect(await answers(1, port)).toEqual(['ECONNREFUSED']);
    socket.write('still here\n');
    expect(await line()).toBe('still here');
    socket.end();
    await closed;
  });

  test('cuts them at the deadline', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2');
    const { balancer, port } = await aBalancer([planEndpoint(endpoint)], {}, { closeTimeoutMs: 20 });
    const { line } = tcpClient('127.0.0.1', port);
    await line();
    await balancer.close();
    expect(await line()).toBe('ECONNRESET');
    await expect(balancer.update([], NODE)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

/** Resolves when a value has not changed for many turns of the event loop, in which data would have moved. */
async function quietTurns(value: () => number): Promise<void> {
  for (let turns = 0, last = value(); turns < 500; turns = value() === last ? turns + 1 : 0, last = value()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A stopped process with a full accept queue: the kernel ignores further connection requests. */
async function silentEndpoint(address: string) {
  const code = `const s = require('node:net').createServer().listen({ port: 0, host: '${address}', backlog: 1 },
    () => console.log(s.address().port));`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
  child.kill('SIGSTOP');
  const waiting: Socket[] = [1, 2, 3].map(() => tcpClient(address, Number(port)).socket);
  await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, 'connect')));
  silentChildren.push(() => child.kill('SIGKILL'));
  return { address, port: Number(port) };
}

const silentChildren: (() => void)[] = [];
afterEach(() => {
  for (const end of silentChildren.splice(0)) end();
});

describe('listeners', () => {
  test('keep the ports they were given while services come and go', async () => {
    const { balancer, port, remove } = await aBalancer([]);
    const service = (name: string) => ({ ...KEY, name });
    const plan = (name: string) => aPlan({ name, ports: [aPort({ endpoints: [] })] });
    const change = (name: string) => ({ key: service(name), plan: plan(name) });
    await balancer.update([change('b'), change('a')], NODE);
    const portsOf = (): Record<string, number | undefined> =>
      Object.fromEntries(balancer.listeners().map((each) => [each.service, each.port]));
    const before = portsOf();
    expect(before['c1/shop/a']).toBeLessThan(before['c1/shop/b'] ?? 0);
    expect(before['c1/shop/web']).toBe(port);
    await remove();
    await balancer.update([change('c')], { ...NODE, zone: 'z2' });
    const after = portsOf();
    expect(after).toMatchObject({ 'c1/shop/a': before['c1/shop/a'], 'c1/shop/b': before['c1/shop/b'] });
    expect(after['c1/shop/c']).not.toBe(port);
  });

  test('that cannot listen say why, and are tried again', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port: nodePort } = holder.address() as { port: number };
    const ports = [aPort({ endpoints: [], nodePort }), aPort({ name: 'sctp', protocol: 'SCTP', endpoints: [] })];
    const { balancer } = await aBalancer([], { ports }, { retryMs: 20 });
    const stateOf = (index: number) => balancer.listeners()[index];
    expect(stateOf(0)).toMatchObject({ state: 'failed', reason: expect.stringContaining('EADDRINUSE') });
    expect(stateOf(1)).toMatchObject({ state: 'failed', protocol: 'sctp' });
    holder.close();
    await expect.poll(() => stateOf(0)?.state, POLL).toBe('listening');
    expect(stateOf(0)).toMatchObject({ port: nodePort, reason: '' });
  });

  test('take the next port of the range where another process has one', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port: first } = holder.address() as { port: number };
    const { port } = await aBalancer([], {}, { portRange: { first, last: first + 20 } });
    expect(port).toBeGreaterThan(first);
    holder.close();
  });

  test('are on cluster IPs too, where those are addresses of this machine', async () => {
    const endpoint = await tcpEndpoint('127.0.0.2');
    const port = await freePort('127.96.0.10');
    const ports = [aPort({ port, endpoints: [planEndpoint(endpoint)] })];
    const clusterIPs = ['127.96.0.10', '192.0.2.1'];
    const { balancer } = await aBalancer([], { ports, clusterIPs }, { listenClusterIPs: true });
    expect(balancer.listeners().filter(({ via }) => via === 'cluster-ip')).toMatchObject([
      { address: '127.96.0.10', port, state: 'listening' },
      { address: '192.0.2.1', port, state: 'failed', reason: '192.0.2.1 is no address of this machine' },
    ]);
    expect(await tcpAnswer('127.96.0.10', port)).toBe('127.0.0.2');
  });

  test('are none for options that cannot work', () => {
    expect(() => openUserspaceBalancer({ listenHosts: ['localhost'] })).toThrow(/not an IP address/);
    expect(() => openUserspaceBalancer({ portRange: { first: 5, last: 4 } })).toThrow(/not a range/);
  });

  test('report what of a plan cannot be followed', async () => {
    const { balancer } = await aBalancer([], { clusterIPs: ['10.96.0.10', '10.96.0.010'] });
    expect(balancer.skipped()).toMatchObject([{ service: 'shop/web', path: 'clusterIPs[1]' }]);
  });
});
