/** Start, stop, back-pressure, and a sink that refuses. */
import { join } from 'node:path';
import { kubernetesSource } from '@signalbox/kube';
import { expect, test } from 'vitest';
import { startApiServer } from '../harness/api-server/api-server.ts';
import { recordedObjects } from '../harness/api-server/recordings.ts';
import {
  FAST_TIMES,
  MemorySink,
  startServer,
  startSource,
  temporaryFolder,
  waitFor,
  waitForState,
  waitForSync,
} from './harness.ts';
import { aService } from './objects.ts';

/** Timers and connections of this process that keep it alive. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /^(Timeout|TCPSocket|TLS|TTY|Process)/.test(name))
    .sort();
}

test.for([
  { name: 'while it watches', prepare: undefined, until: 'watching' },
  { name: 'while it reads the initial objects', prepare: { type: 'stall', afterBytes: 2000 }, until: 'syncing' },
  { name: 'while it waits for a retry', prepare: { type: 'status', code: 403 }, until: 'forbidden' },
  { name: 'while the server does not answer', prepare: { type: 'stall', afterBytes: 0 }, until: 'syncing' },
] as const)('stopped $name, nothing is left open and nothing follows', async ({ prepare, until }) => {
  const folder = await temporaryFolder();
  const server = await startApiServer({ objects: recordedObjects('Service') });
  if (prepare !== undefined) server.fault({ kind: 'Service', ...prepare, times: Number.POSITIVE_INFINITY });
  const kubeconfig = await server.kubeconfig(join(folder, 'config'));
  const times = { ...FAST_TIMES, slowRetryMs: 60_000, statusIntervalMs: 1500 };
  const source = kubernetesSource({ cluster: 'a', domain: 'cluster.local', kubeconfig, kinds: ['Service'], times });
  const sink = new MemorySink();
  await source.start(sink);
  await waitForState(sink, 'Service', until);
  await waitFor(() => server.requests.length > 0, 'a request');
  const stopping = performance.now();
  await source.stop();
  expect(performance.now() - stopping).toBeLessThan(1000);
  const counts = [sink.calls.length, sink.statuses.length];
  await waitFor(() => server.connections() === 0, 'the connections to close');
  server.put(aService('late'));
  await server.stop();
  await waitFor(() => resources().length === 0, 'timers and connections to be gone', 1000);
  expect([sink.calls.length, sink.statuses.length]).toEqual(counts);
});

test('stop waits for the call into the sink that is open', async () => {
  const server = await startServer({ objects: [aService('web')] });
  const { source, sink } = await startSource(server, { kinds: ['Service'] });
  let release: () => void = () => undefined;
  let isHeld = false;
  sink.gate = () => {
    isHeld = true;
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  await waitFor(() => isHeld, 'the list to reach the sink');
  let isStopped = false;
  const stopping = source.stop().then(() => {
    isStopped = true;
  });
  await waitFor(() => server.connections() === 0, 'the connection to close');
  expect(isStopped).toBe(false);
  release();
  await stopping;
  expect(sink.calls).toHaveLength(1);
});

test('it can be stopped before it was started, and twice; started only once', async () => {
  const server = await startServer();
  const kubeconfig = await server.kubeconfig(join(await temporaryFolder(), 'config'));
  const unstarted = kubernetesSource({ cluster: 'a', domain: 'cluster.local', kubeconfig });
  await unstarted.stop();
  const { source, sink } = await startSource(server, { kinds: ['Node'] });
  await expect(source.start(sink)).rejects.toMatchObject({ code: 'invalid' });
  await source.stop();
  await source.stop();
});

test('a slow sink holds the stream back, and is not taken for a dead connection', async () => {
  const server = await startServer({ objects: [aService('web')] });
  const { sink } = await startSource(server, { kinds: ['Service'], times: { idleTimeoutMs: 100 } });
  await waitFor(() => sink.calls.length > 0, 'the list');
  let isHeld = false;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  sink.gate = () => {
    isHeld = true;
    return held;
  };
  server.put(aService('first'));
  await waitFor(() => isHeld, 'the first change to reach the sink');
  const requests = server.requests.length;
  const calls = sink.calls.length;
  for (let index = 0; index < 50; index += 1) server.put(aService(`more-${index}`));
  const startedMs = performance.now();
  await waitFor(() => performance.now() - startedMs > 300, 'three idle timeouts');
  expect([server.requests.length, sink.calls.length]).toEqual([requests, calls]);
  release();
  await waitForSync(server, sink, 'Service');
  const sizes = sink.calls.slice(calls).map((call) => call.size);
  expect(sizes[0]).toBe(1);
  expect(sizes.length).toBeLessThan(10);
});

test('a sink that refuses gets the complete list again', async () => {
  const server = await startServer({ objects: [aService('web')] });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForState(sink, 'Service', 'watching');
  sink.gate = () => {
    sink.gate = () => Promise.resolve();
    return Promise.reject(new Error('disk full'));
  };
  server.put(aService('db'));
  await waitForSync(server, sink, 'Service');
  expect(sink.calls.map((call) => call.type)).toEqual(['replace', 'replace']);
  expect(sink.statuses.find(({ state }) => state === 'failed')?.message).toBe(
    'the objects could not be stored: disk full',
  );
  await waitForState(sink, 'Service', 'watching');
});

test('a watch that the server ends in time is resumed without a word', async () => {
  const server = await startServer({ objects: [aService('web')] });
  const { sink } = await startSource(server, {
    kinds: ['Service'],
    times: { watchTimeoutMs: 500, healthyAfterMs: 500 },
  });
  await waitFor(() => server.requests.length >= 2, 'the second watch');
  expect(server.requests[1]?.query).toMatchObject({ watch: 'true', resourceVersion: '2' });
  server.put(aService('db'));
  await waitForSync(server, sink, 'Service');
  expect(new Set(sink.statesOf('Service'))).toEqual(new Set(['syncing', 'watching']));
});

test('reports are few, and the last one is true', async () => {
  const server = await startServer();
  const { sink } = await startSource(server, { kinds: ['Service'], times: { statusIntervalMs: 100 } });
  await waitForState(sink, 'Service', 'watching');
  for (let index = 0; index < 200; index += 1) {
    server.put(aService(`s-${index}`));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => sink.status('Service')?.objects === 200, '200 objects to be reported');
  expect(sink.statuses.length).toBeLessThan(20);
  expect(sink.status('Service')).toMatchObject({ cluster: 'test', resourceVersion: String(server.version()) });
});
