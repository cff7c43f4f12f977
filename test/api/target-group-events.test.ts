/** Target groups as Server-Sent Events, over a socket. */
import { type RunningApi, startApi } from '@signalbox/api';
import type { TargetGroupItem } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decided, putTargets, removeTargets, WEB } from './target-world.ts';
import { quietLogger } from './world.ts';

const PATH = '/v1/load-balancers/f5/target-groups/events';
let log: EventLog;
let api: RunningApi;

beforeEach(async () => {
  log = openSqliteEventLog({ path: ':memory:' });
  api = await startApi(
    { log, logger: quietLogger, registry: createRegistry() },
    { storePath: ':memory:', listen: { address: '127.0.0.1', port: 0 } },
  );
});
afterEach(async () => {
  await api.stop();
  await log.close();
});

async function put(name: string, addresses: readonly string[], loadBalancerClass = 'f5'): Promise<number> {
  const index = await putTargets(log, { ...WEB, name }, addresses, { loadBalancerClass });
  await decided(log, 1);
  await api.processAll();
  return index;
}

/** Each event as `id event service=addresses …`. */
async function* events(lastId?: number): AsyncGenerator<string> {
  const headers = lastId === undefined ? {} : { 'last-event-id': String(lastId) };
  const response = await fetch(`${api.url}${PATH}`, { headers });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (data !== undefined) yield `${id} ${event} ${briefly(JSON.parse(data) as EventData)}`;
    }
  }
}

interface EventData {
  readonly service?: string;
  readonly items: readonly TargetGroupItem[];
}

function briefly({ service, items }: EventData): string {
  if (items.length === 0) return `${service ?? ''}=`;
  return items.map((item) => `${item.service}=${item.targets.map(({ address }) => address).join()}`).join(' ');
}

async function next(stream: AsyncGenerator<string>): Promise<string> {
  return (await stream.next()).value as string;
}

test('all comes first, then what changes, and what is gone; of this class alone', async () => {
  await put('web', ['10.0.0.1']);
  const first = await put('api', ['10.0.0.2']);
  const stream = events();
  expect(await next(stream)).toBe(`${first} snapshot api=10.0.0.2 web=10.0.0.1`);
  await put('other', ['10.0.0.9'], 'other');
  const second = await put('web', ['10.0.0.3']);
  expect(await next(stream)).toBe(`${second} change web=10.0.0.3`);
  const gone = await removeTargets(log, { ...WEB, name: 'api' }, 'f5');
  expect(await next(stream)).toBe(`${gone} change api=`);
  await stream.return(undefined);
});

test('a follower that comes back is told what it missed, and all where that is not known', async () => {
  const before = await put('web', ['10.0.0.1']);
  await put('api', ['10.0.0.2']);
  const last = await put('api', ['10.0.0.3']);
  const stream = events(before);
  expect(await next(stream)).toBe(`${last} change api=10.0.0.3`);
  await stream.return(undefined);
  const ahead = events(last + 1_000_000);
  expect(await next(ahead)).toBe(`${last} snapshot api=10.0.0.3 web=10.0.0.1`);
  await ahead.return(undefined);
});

test('before anything was decided there is no stream, and stopping ends those that there are', async () => {
  expect((await fetch(`${api.url}${PATH}`)).status).toBe(503);
  await put('web', ['10.0.0.1']);
  const stream = events();
  await next(stream);
  const rest = next(stream);
  await api.stop();
  expect(await rest).toBeUndefined();
});
