import { describe, expect, test } from 'vitest';
import { play, recordedEvents, recordedObjects } from '../harness/api-server/recordings.ts';
import { startServer, startSource, stateOf, waitFor, waitForState, waitForSync } from './harness.ts';

describe('recorded watch-lists', () => {
  test.for(['Service', 'EndpointSlice', 'Node'] as const)('%s: initial objects, then every change', async (kind) => {
    const server = await startServer();
    const events = recordedEvents(kind);
    const initialEnd = events.findIndex((event) => event.type === 'BOOKMARK') + 1;
    play(server, events.slice(0, initialEnd));
    const { sink } = await startSource(server, { kinds: [kind] });
    await waitForState(sink, kind, 'watching');
    expect(sink.calls).toEqual([{ type: 'replace', size: initialEnd - 1 }]);
    expect(sink.state(kind)).toEqual(stateOf(server.list(kind)));

    play(server, events.slice(initialEnd));
    server.bookmark(kind);
    await waitForSync(server, sink, kind);
    expect(server.requests).toHaveLength(1);
    expect(sink.status(kind)).toMatchObject({ state: 'watching', message: '', skipped: 0 });
  });

  test('the request is that of a watch-list, and asks for bookmarks and an end', async () => {
    const server = await startServer();
    const { sink } = await startSource(server, {
      kinds: ['Node'],
      random: () => 0.5,
      times: { watchTimeoutMs: 300_000 },
    });
    await waitForState(sink, 'Node', 'watching');
    expect(server.requests[0]?.query).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      timeoutSeconds: '450',
    });
  });
});

describe('recorded lists, from servers without watch-lists', () => {
  test.for(['refused', 'ignored'] as const)(
    'sendInitialEvents %s: pages, then a watch from their version',
    async (watchLists) => {
      const server = await startServer({ watchLists });
      play(server, recordedEvents('Service'));
      const { sink } = await startSource(server, { kinds: ['Service'], pageSize: 10 });
      if (watchLists === 'ignored') {
        await waitFor(() => server.openWatches('Service') === 1, 'the watch-list');
        server.bookmark('Service');
      }
      await waitForState(sink, 'Service', 'watching');
      await waitForSync(server, sink, 'Service');
      const queries = server.requests.map(({ query }) => query);
      expect(queries.slice(1, -1).map(({ limit, continue: token }) => [limit, token !== undefined])).toEqual([
        ['10', false],
        ['10', true],
        ['10', true],
        ['10', true],
      ]);
      expect(queries.at(-1)).toMatchObject({ watch: 'true', resourceVersion: '1314' });
      expect(queries.at(-1)).not.toHaveProperty('sendInitialEvents');
    },
  );

  test('namespaces, which have no kind of their own in a list', async () => {
    const server = await startServer({ watchLists: 'refused', objects: recordedObjects('Namespace') });
    const { sink } = await startSource(server, { kinds: ['Namespace'] });
    await waitForState(sink, 'Namespace', 'watching');
    expect(sink.state('Namespace')).toEqual(stateOf(server.list('Namespace')));
  });
});

test('all four kinds at once', async () => {
  const kinds = ['Service', 'EndpointSlice', 'Node', 'Namespace'] as const;
  const server = await startServer({ objects: kinds.flatMap(recordedObjects) });
  const { sink } = await startSource(server);
  for (const kind of kinds) {
    await waitForState(sink, kind, 'watching');
    expect(sink.state(kind)).toEqual(stateOf(server.list(kind)));
  }
});

test('what no compiler reads is dropped at the edge', async () => {
  const server = await startServer({ objects: recordedObjects('EndpointSlice') });
  const { sink } = await startSource(server, { kinds: ['EndpointSlice'] });
  await waitForState(sink, 'EndpointSlice', 'watching');
  expect(JSON.stringify(server.list('EndpointSlice'))).toContain('managedFields');
  expect(JSON.stringify(sink.state('EndpointSlice'))).not.toMatch(/managedFields|ownerReferences|last-change-trigger/);
});

test('the time of a change is the trigger time where it is set and not in the future, else that of reading', async () => {
  const [first, second, third] = recordedObjects('EndpointSlice');
  if (first === undefined || second === undefined || third === undefined) throw new Error('too few recorded slices');
  const withTime = (time: string) => ({ annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': time } });
  const nowMs = Date.parse('2026-01-02T00:00:00Z');
  const server = await startServer({
    objects: [
      { ...first, metadata: { ...first.metadata, ...withTime('2026-01-01T00:00:00Z') } },
      { ...second, metadata: { ...second.metadata, ...withTime('2026-01-03T00:00:00Z') } },
      { ...third, metadata: { ...third.metadata, annotations: undefined } },
    ],
  });
  const { sink } = await startSource(server, { kinds: ['EndpointSlice'], now: () => nowMs });
  await waitForState(sink, 'EndpointSlice', 'watching');
  const times = [...(sink.objects.get('EndpointSlice')?.values() ?? [])].map((object) => object.changedAtMs);
  expect(times).toEqual([Date.parse('2026-01-01T00:00:00Z'), nowMs, nowMs]);
});
