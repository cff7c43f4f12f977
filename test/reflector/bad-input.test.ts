/** What cannot be read is left out, counted and logged, and never stops the rest. */
import { expect, test } from 'vitest';
import type { ApiObject } from '../harness/api-server/api-server.ts';
import { type MemorySink, startServer, startSource, stateOf, waitFor, waitForState, waitForSync } from './harness.ts';
import { aService } from './objects.ts';

class MemoryLogger {
  readonly warnings: { readonly fields: object; readonly message: string }[] = [];

  info(): void {}

  warn(fields: object, message: string): void {
    this.warnings.push({ fields, message });
  }
}

/** Its spec is no spec: the port is out of range. */
function aBadService(name: string): ApiObject {
  return aService(name, { port: 70_000 });
}

function waitForCounts(sink: MemorySink, counts: { objects: number; skipped: number }): Promise<void> {
  const fits = () =>
    sink.status('Service')?.objects === counts.objects && sink.status('Service')?.skipped === counts.skipped;
  return waitFor(fits, JSON.stringify(counts));
}

test.for([
  { name: 'no JSON', line: '{"type":"ADDED","object":{"kind":"Serv\n' },
  { name: 'JSON but no object', line: '"hello"\n' },
  { name: 'an event type of the future', line: '{"type":"RENAMED","object":{"kind":"Service"}}\n' },
  { name: 'an object without a name', line: '{"type":"ADDED","object":{"kind":"Service","metadata":{}}}\n' },
  { name: 'an event without an object', line: '{"type":"MODIFIED"}\n' },
  {
    name: 'a deletion of another kind',
    line: '{"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"web","namespace":"shop"}}}\n',
  },
  { name: 'a bookmark without a version', line: '{"type":"BOOKMARK","object":{"kind":"Service","metadata":{}}}\n' },
  { name: 'bytes that are no UTF-8', line: Buffer.from([0xc3, 0x28, 0x0a]).toString('latin1') },
])('$name is skipped', async ({ line }) => {
  const server = await startServer({ objects: [aService('web')] });
  const logger = new MemoryLogger();
  const { sink } = await startSource(server, { kinds: ['Service'], logger });
  await waitForState(sink, 'Service', 'watching');
  server.send('Service', `${line}\n`);
  server.put(aService('after'));
  await waitForSync(server, sink, 'Service');
  await waitForCounts(sink, { objects: 2, skipped: 1 });
  expect(server.requests).toHaveLength(1);
  expect(logger.warnings).toEqual([
    { fields: expect.objectContaining({ kind: 'Service' }), message: 'object skipped: it cannot be read' },
  ]);
});

test.for(['served', 'refused'] as const)(
  'bad objects of a list are left out of it (watch-lists %s)',
  async (watchLists) => {
    const server = await startServer({ watchLists, objects: [aService('web'), aBadService('bad'), aService('db')] });
    const { sink } = await startSource(server, { kinds: ['Service'] });
    await waitForState(sink, 'Service', 'watching');
    await waitForCounts(sink, { objects: 2, skipped: 1 });
    expect(sink.state('Service')).toEqual(stateOf(server.list('Service')));
  },
);

test('an object that turns bad goes, is counted once, and comes back when it is good again', async () => {
  const server = await startServer({ objects: [aService('web'), aService('db')] });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForCounts(sink, { objects: 2, skipped: 0 });
  server.put(aBadService('web'));
  server.put(aBadService('web'));
  await waitForCounts(sink, { objects: 1, skipped: 1 });
  expect(Object.keys(sink.state('Service'))).toEqual(['shop/db']);
  server.put(aService('web'));
  await waitForCounts(sink, { objects: 2, skipped: 0 });
  await waitForSync(server, sink, 'Service');
});

test('a bad object that is deleted is no longer counted', async () => {
  const server = await startServer({ objects: [aService('web'), aBadService('bad')] });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForCounts(sink, { objects: 1, skipped: 1 });
  server.delete({ kind: 'Service', namespace: 'shop', name: 'bad' });
  await waitForCounts(sink, { objects: 1, skipped: 0 });
});

test('a line without end is a failure, and the list is read again', async () => {
  const server = await startServer({ objects: [aService('web')] });
  const { sink } = await startSource(server, { kinds: ['Service'], maxLineBytes: 2000 });
  await waitForState(sink, 'Service', 'watching');
  server.send('Service', 'x'.repeat(3000));
  await waitFor(() => sink.statesOf('Service').includes('failed'), 'the failure');
  server.put(aService('after'));
  await waitForSync(server, sink, 'Service');
  expect(sink.statuses.find(({ state }) => state === 'failed')?.message).toContain('longer than 2000 bytes');
  await waitFor(() => server.connections() === 1, 'the connection of the first watch to close');
});

test.for([
  { name: 'an older state', last: () => aService('web', { note: 'new' }) },
  { name: 'one that was deleted meanwhile', last: undefined },
])('events that come again, late and in reverse: $name is not believed', async ({ last }) => {
  const server = await startServer({ objects: [aService('web')] });
  server.fault({ kind: 'Service', on: 'watch', type: 'replay' });
  const { sink } = await startSource(server, { kinds: ['Service'] });
  await waitForState(sink, 'Service', 'watching');
  server.put(aService('web', { note: 'old' }));
  if (last === undefined) server.delete({ kind: 'Service', namespace: 'shop', name: 'web' });
  else server.put(last());
  server.bookmark('Service');
  await waitFor(() => sink.status('Service')?.resourceVersion === String(server.version()), 'the bookmark');
  expect(sink.state('Service')).toEqual(stateOf(server.list('Service')));
});
