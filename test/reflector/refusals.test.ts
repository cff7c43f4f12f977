/** Refusals, outages and expired positions: what is reported, and that the state heals. */
import { SOURCE_KINDS } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { recordedObjects } from '../harness/api-server/recordings.ts';
import { startServer, startSource, stateOf, waitFor, waitForState, waitForSync } from './harness.ts';
import { aService, aSlice } from './objects.ts';

describe('one kind that is refused', () => {
  test.for([
    {
      code: 401,
      state: 'unauthorized',
      message: ['Unauthorized (401)', 'credentials of context test of', 'renew them'],
    },
    {
      code: 403,
      state: 'forbidden',
      message: [
        'cannot watch resource "endpointslices"',
        'grant the verbs list and watch on endpointslices (API group discovery.k8s.io)',
      ],
    },
    {
      code: 404,
      state: 'missing',
      message: ['404 page not found', 'does not have /apis/discovery.k8s.io/v1/endpointslices'],
    },
  ] as const)(
    '$code is $state, says what to do, leaves the others alone, and heals',
    async ({ code, state, message }) => {
      const server = await startServer({ objects: SOURCE_KINDS.flatMap(recordedObjects) });
      server.fault({ kind: 'EndpointSlice', type: 'status', code, times: Number.POSITIVE_INFINITY });
      const { sink } = await startSource(server);
      await waitForState(sink, 'EndpointSlice', state);
      for (const part of message) expect(sink.status('EndpointSlice')?.message).toContain(part);
      for (const kind of ['Service', 'Node', 'Namespace'] as const) await waitForState(sink, kind, 'watching');
      const change = server.put(aService('new'));
      await waitForSync(server, sink, 'Service');
      expect(sink.state('Service')).toHaveProperty(['shop/new', 'resourceVersion'], change.metadata.resourceVersion);
      expect(sink.calls.filter((call) => call.type === 'replace')).toHaveLength(3);

      server.clearFaults();
      await waitForState(sink, 'EndpointSlice', 'watching');
      expect(sink.status('EndpointSlice')?.message).toBe('');
      expect(sink.state('EndpointSlice')).toEqual(stateOf(server.list('EndpointSlice')));
    },
  );

  test('what the sink holds of a kind that is refused later stays', async () => {
    const server = await startServer({ objects: [aService('web')] });
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    server.fault({ kind: 'Service', type: 'status', code: 403, times: Number.POSITIVE_INFINITY });
    server.cutWatches('Service');
    await waitForState(sink, 'Service', 'forbidden');
    expect(Object.keys(sink.state('Service'))).toEqual(['shop/web']);
    expect(sink.status('Service')).toMatchObject({ objects: 1 });
  });
});

describe('a server in trouble', () => {
  test.for([500, 503, 429])('%i is tried again until it is over', async (code) => {
    const server = await startServer({ objects: [aService('web')] });
    server.fault({ kind: 'Service', type: 'status', code, times: 4 });
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForSync(server, sink, 'Service');
    await waitForState(sink, 'Service', 'watching');
    expect(sink.statesOf('Service')).toContain('reconnecting');
  });

  test('Retry-After is waited for', async () => {
    const server = await startServer({ objects: [aService('web')] });
    server.fault({ kind: 'Service', type: 'status', code: 429, retryAfterSeconds: 1 });
    const startedMs = performance.now();
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    expect(performance.now() - startedMs).toBeGreaterThan(950);
    expect(sink.statesOf('Service')).toEqual(['syncing', 'reconnecting', 'watching']);
  });

  test('nobody listening is unreachable, and says so; then all is read', async () => {
    const first = await startServer({ objects: [aService('web')] });
    const { sink } = await startSource(first, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    await first.stop();
    await waitForState(sink, 'Service', 'unreachable');
    expect(sink.status('Service')?.message).toContain(`ECONNREFUSED 127.0.0.1:${first.port}`);
    expect(Object.keys(sink.state('Service'))).toEqual(['shop/web']);

    const second = await startServer({ port: first.port, objects: [aService('web'), aService('db')] });
    await waitForSync(second, sink, 'Service');
    await waitForState(sink, 'Service', 'watching');
  });

  test('a server restored from a backup is behind the position: the list is read again', async () => {
    const first = await startServer({ objects: [aService('web'), aService('db'), aService('late')] });
    const { sink } = await startSource(first, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    await first.stop();
    const second = await startServer({ port: first.port, objects: [aService('web', { note: 'restored' })] });
    await waitForSync(second, sink, 'Service');
    expect(second.requests.map(({ query }) => query.resourceVersion)).toEqual(['4', undefined]);
  });

  test('watches that the server closes at once are not opened in a tight loop', async () => {
    const server = await startServer({ objects: [aService('web')] });
    server.fault({ kind: 'Service', on: 'watch', type: 'end', afterBytes: 0, times: Number.POSITIVE_INFINITY });
    const { sink } = await startSource(server, {
      kinds: ['Service'],
      times: { backOffBaseMs: 20, backOffCapMs: 60_000 },
    });
    await waitFor(() => sink.statesOf('Service').includes('unreachable'), 'the failures to count');
    await waitFor(() => server.requests.length >= 6, 'a few attempts');
    expect(server.requests.length).toBeLessThan(12);
  });
});

describe('a position that is too old', () => {
  test.for([
    { name: 'ERROR event', fault: undefined },
    { name: 'HTTP 410', fault: { kind: 'Service', on: 'watch', type: 'status', code: 410 } },
  ] as const)('$name: the list is read again, and what was deleted meanwhile is gone', async ({ fault }) => {
    const server = await startServer({ objects: [aService('web'), aService('db')] });
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    server.fault({ kind: 'Service', on: 'watch', type: 'status', code: 500 });
    server.cutWatches('Service');
    server.delete({ kind: 'Service', namespace: 'shop', name: 'db' });
    server.compact();
    if (fault !== undefined) server.fault(fault);
    await waitForSync(server, sink, 'Service');
    expect(Object.keys(sink.state('Service'))).toEqual(['shop/web']);
    expect(sink.calls).toEqual([
      { type: 'replace', size: 2 },
      { type: 'replace', size: 1 },
    ]);
    expect(sink.statuses.some(({ message }) => message.includes('reading the complete list again'))).toBe(true);
  });

  test('an ERROR event in an open watch does not lose the changes before it', async () => {
    const server = await startServer({ objects: [aService('web')] });
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    server.put(aService('db'));
    server.send('Service', '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is away"}}\n');
    await waitFor(() => sink.statuses.some(({ message }) => message === 'etcd is away (500)'), 'the failure');
    await waitForSync(server, sink, 'Service');
    expect(sink.calls).toEqual([
      { type: 'replace', size: 1 },
      { type: 'apply', size: 1 },
    ]);
  });

  test('a continue token: the list is read again, whole', async () => {
    const server = await startServer({ watchLists: 'refused', objects: recordedObjects('Service') });
    server.fault({ kind: 'Service', on: 'list', type: 'trickle', bytes: 4096 });
    const { sink } = await startSource(server, { kinds: ['Service'], pageSize: 10 });
    await waitFor(() => server.requests.some(({ verb }) => verb === 'list'), 'the first page');
    server.compact();
    await waitForState(sink, 'Service', 'watching');
    const lists = server.requests.filter(({ verb }) => verb === 'list').map(({ query }) => Object.keys(query));
    expect(lists).toEqual([['limit'], ['limit', 'continue'], []]);
    expect(sink.state('Service')).toEqual(stateOf(server.list('Service')));
  });
});

test('a kind is tried again on its own', async () => {
  const server = await startServer({ objects: [aService('web'), aSlice('web-1', ['10.0.0.1'])] });
  const { sink } = await startSource(server, { kinds: ['Service', 'EndpointSlice'] });
  for (const kind of ['Service', 'EndpointSlice'] as const) await waitForState(sink, kind, 'watching');
  server.cutWatches('Service');
  await waitFor(() => server.requests.length === 3, 'the resumed watch');
  expect(server.requests[2]).toMatchObject({ kind: 'Service', query: { resourceVersion: '3' } });
  expect(sink.statesOf('EndpointSlice')).not.toContain('reconnecting');
});
