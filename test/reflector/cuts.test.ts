/** Wherever a stream breaks, the sink ends in the state of the stream that did not. */
import { expect, test } from 'vitest';
import type { ApiServer } from '../harness/api-server/api-server.ts';
import { play, type RecordedEvent, recordedEvents } from '../harness/api-server/recordings.ts';
import { startServer, startSource, stateOf, waitFor, waitForState, waitForSync } from './harness.ts';
import { aService } from './objects.ts';

const EVENTS = withMultiByteText(recordedEvents('Service'));
const INITIAL_END = EVENTS.findIndex((event) => event.type === 'BOOKMARK') + 1;
const STREAM = Buffer.from(EVENTS.map((event) => `${JSON.stringify(event)}\n`).join(''));

/** Text of two, three and four bytes a character, in an annotation that is kept. */
function withMultiByteText(events: RecordedEvent[]): RecordedEvent[] {
  return events.map((event) => {
    if (event.type === 'BOOKMARK') return event;
    const { metadata } = event.object;
    const annotations = { 'signalbox.dev/note': 'Käse, 駅, 🚂' };
    return { ...event, object: { ...event.object, metadata: { ...metadata, annotations } } };
  });
}

/** Around the ends of lines, inside of characters, before and after the bookmark, and evenly over the rest. */
function offsets(): { name: string; offsets: number[] }[] {
  const lineEnds = [...STREAM.entries()].filter(([, byte]) => byte === 0x0a).map(([index]) => index + 1);
  const bookmarkEnd = lineEnds[INITIAL_END - 1] ?? 0;
  const bookmarkStart = lineEnds[INITIAL_END - 2] ?? 0;
  const insideCharacters = [...STREAM.entries()]
    .filter(([, byte]) => byte >= 0x80 && byte < 0xc0)
    .map(([index]) => index);
  return [
    { name: 'at the very start', offsets: [0, 1] },
    { name: 'between events', offsets: every(3, lineEnds) },
    { name: 'before the end of a line', offsets: every(3, lineEnds).map((end) => end - 1) },
    { name: 'after the start of a line', offsets: every(3, lineEnds.slice(0, -1)).map((end) => end + 1) },
    { name: 'inside of a character', offsets: every(13, insideCharacters) },
    { name: 'around the bookmark', offsets: [-1, 0, 1].flatMap((by) => [bookmarkStart + by, bookmarkEnd + by]) },
    {
      name: 'inside of the bookmark',
      offsets: [0.25, 0.5, 0.75].map((part) => Math.round(bookmarkStart + part * (bookmarkEnd - bookmarkStart))),
    },
    { name: 'evenly', offsets: Array.from({ length: 25 }, (_, index) => Math.round((index / 25) * STREAM.length)) },
  ];
}

function every(step: number, values: number[]): number[] {
  return values.filter((_, index) => index % step === 0);
}

/** The recorded changes come once the first watch is being answered, so that the cut falls into them where it may. */
async function playChurn(server: ApiServer): Promise<void> {
  await waitFor(() => server.requests.length > 0, 'the first request');
  play(server, EVENTS.slice(INITIAL_END));
}

async function startWithInitialObjects(): Promise<ApiServer> {
  const server = await startServer();
  play(server, EVENTS.slice(0, INITIAL_END));
  return server;
}

for (const { name, offsets: positions } of offsets()) {
  test.for([
    { how: 'cut', times: 1 },
    { how: 'cut', times: 3 },
    { how: 'end', times: 1 },
  ] as const)(`$how ${name}, $times times`, async ({ how, times }) => {
    expect(positions.length).toBeGreaterThan(0);
    for (const afterBytes of positions) {
      const server = await startWithInitialObjects();
      server.fault({ kind: 'Service', on: 'watch', type: how, afterBytes, times });
      const { source, sink } = await startSource(server, { kinds: ['Service'] });
      await playChurn(server);
      await waitForSync(server, sink, 'Service');
      await waitForState(sink, 'Service', 'watching');
      const count = server.list('Service').length;
      await waitFor(() => sink.status('Service')?.objects === count, `a report of ${count} objects`);
      expect(sink.status('Service')).toMatchObject({ state: 'watching', skipped: 0 });
      await source.stop();
    }
  });
}

test('a list that is cut in a page is read again', async () => {
  for (const afterBytes of [0, 1, 500, 5000]) {
    const server = await startServer({ watchLists: 'refused' });
    play(server, EVENTS);
    server.fault({ kind: 'Service', on: 'list', type: 'cut', afterBytes, times: 2 });
    const { sink } = await startSource(server, { kinds: ['Service'], pageSize: 10 });
    await waitForSync(server, sink, 'Service');
    expect(sink.calls[0]).toEqual({ type: 'replace', size: server.list('Service').length });
  }
});

test('a watch-list that is cut again and again gives way to pages', async () => {
  const server = await startWithInitialObjects();
  server.fault({ kind: 'Service', on: 'watch', type: 'cut', afterBytes: 3000, times: 2 });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForState(sink, 'Service', 'watching');
  expect(server.requests.map(({ verb, query }) => query.sendInitialEvents ?? verb)).toEqual([
    'true',
    'true',
    'list',
    'watch',
  ]);
});

test('bytes that come one by one give the same state', async () => {
  const server = await startServer({ objects: [aService('web', { note: '🚂 äß' })] });
  server.fault({ kind: 'Service', on: 'watch', type: 'trickle', bytes: 1 });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForSync(server, sink, 'Service');
  expect(sink.state('Service')).toEqual(stateOf(server.list('Service')));
  expect(JSON.stringify(sink.state('Service'))).toContain('🚂 äß');
});

test.for([
  { name: 'before any byte', afterBytes: 0 },
  { name: 'in the initial objects', afterBytes: 3000 },
  { name: 'in the middle of a change', afterBytes: STREAM.length - 2000 },
])('half-open $name: cut after the idle timeout and resumed', async ({ afterBytes }) => {
  const server = await startWithInitialObjects();
  server.fault({ kind: 'Service', on: 'watch', type: 'stall', afterBytes });
  const { sink } = await startSource(server, { kinds: ['Service'], times: { idleTimeoutMs: 150 } });
  await playChurn(server);
  await waitForSync(server, sink, 'Service');
  expect(sink.statesOf('Service')).toContain('reconnecting');
  expect(sink.statuses.find((status) => status.state === 'reconnecting')?.message).toContain('0.15 s');
});

test('a quiet stream with bookmarks is not taken for half-open', async () => {
  const server = await startServer({ objects: [aService('web')], bookmarkIntervalMs: 20 });
  const { sink } = await startSource(server, { kinds: ['Service'], times: { idleTimeoutMs: 200 } });
  await waitForState(sink, 'Service', 'watching');
  const startedMs = performance.now();
  await waitFor(() => performance.now() - startedMs > 600, 'three idle timeouts');
  expect(server.requests).toHaveLength(1);
});
