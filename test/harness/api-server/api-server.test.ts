import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceKind } from '@signalbox/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import { type ApiObject, type ApiServer, type ApiServerOptions, startApiServer } from './api-server.ts';
import { KINDS } from './kinds.ts';
import { play, recordedEvents, recordedObjects, recording } from './recordings.ts';

let server: ApiServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(options: ApiServerOptions = {}): Promise<ApiServer> {
  server = await startApiServer(options);
  return server;
}

/** A server with the recorded objects under their recorded versions. */
async function startRecorded(kind: SourceKind, options: ApiServerOptions = {}): Promise<ApiServer> {
  const started = await start(options);
  for (const object of recordedObjects(kind)) started.put(object, Number(object.metadata.resourceVersion));
  started.advanceTo(1165);
  return started;
}

function get(from: ApiServer, kind: SourceKind, query: Record<string, string> = {}): Promise<Response> {
  return fetch(`${from.url}${KINDS[kind].path}?${new URLSearchParams(query).toString()}`);
}

interface List {
  readonly metadata: { readonly continue: string };
  readonly items: readonly ApiObject[];
}

async function getList(from: ApiServer, kind: SourceKind, query: Record<string, string>): Promise<List> {
  return (await (await get(from, kind, query)).json()) as List;
}

/** Reads a watch until it has sent this many lines. */
async function readLines(response: Response, count: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.split('\n').length > count) break;
  }
  return text;
}

const WATCH_LIST = {
  watch: 'true',
  sendInitialEvents: 'true',
  resourceVersionMatch: 'NotOlderThan',
  allowWatchBookmarks: 'true',
};

describe('held to the recordings of kube-apiserver 1.36', () => {
  test.for(['Service', 'EndpointSlice', 'Node'] as const)('watch-list of %s is the same to the byte', async (kind) => {
    const events = recordedEvents(kind);
    const initialEnd = events.findIndex((event) => event.type === 'BOOKMARK') + 1;
    const api = await start();
    play(api, events.slice(0, initialEnd));
    const response = await get(api, kind, WATCH_LIST);
    play(api, events.slice(initialEnd));
    if (events.length > initialEnd) api.bookmark(kind);
    const file = `watch/${KINDS[kind].resource}-watchlist.jsonl`;
    expect(await readLines(response, events.length)).toBe(recording(file));
  });

  test.for(['Service', 'EndpointSlice', 'Node', 'Namespace'] as const)(
    'list of %s has the same content',
    async (kind) => {
      const api = await startRecorded(kind);
      const body = await (await get(api, kind)).text();
      expect(withoutSpace(body)).toBe(withoutSpace(recording(`lists/${KINDS[kind].resource}.json`)));
    },
  );

  test('pages have the same content, and tokens of the same form', async () => {
    const api = await startRecorded('Service');
    const first = await getList(api, 'Service', { limit: '10' });
    expect(first).toEqual(JSON.parse(recording('lists/services-page1.json')));
    const second = await getList(api, 'Service', { limit: '10', continue: first.metadata.continue });
    const recorded = JSON.parse(recording('lists/services-page2.json'));
    expect(second.items).toEqual(recorded.items);
    expect(Object.keys(second.metadata)).toEqual(Object.keys(recorded.metadata));
    expect(second.metadata).toMatchObject({ resourceVersion: '1165', remainingItemCount: 18 });
  });

  test('a position that is too old: the same ERROR event but for the numbers', async () => {
    const api = await start();
    api.advanceTo(1334);
    api.compact();
    const body = await (await get(api, 'Service', { watch: 'true', resourceVersion: '5' })).text();
    expect(body).toBe(recording('watch/services-too-old.jsonl'));
  });

  test('a continue token that is too old: the same body but for the token', async () => {
    const api = await startRecorded('Service');
    const first = await getList(api, 'Service', { limit: '10' });
    api.compact();
    const response = await get(api, 'Service', { limit: '10', continue: first.metadata.continue });
    expect(response.status).toBe(410);
    const recorded = JSON.parse(recording('errors/410-continue-expired.json'));
    const metadata = { continue: expect.any(String) };
    expect(await response.json()).toEqual({ ...recorded, metadata });
  });

  test.for([
    { name: '401', code: 401, file: 'errors/401.json' },
    { name: '403', code: 403, file: 'errors/anonymous-403.json' },
    { name: '404', code: 404, file: 'errors/404-no-crd.json' },
  ])('$name has the same body', async ({ code, file }) => {
    const api = await start();
    api.fault({ kind: 'Service', type: 'status', code });
    const response = await get(api, 'Service');
    expect(response.status).toBe(code);
    expect(withoutSpace(await response.text())).toBe(withoutSpace(recording(file)));
  });
});

test('a page shows the state in which the list began', async () => {
  const objects = recordedObjects('Namespace');
  const api = await start({ objects });
  const first = await getList(api, 'Namespace', { limit: '2' });
  for (const object of objects) api.delete({ kind: 'Namespace', name: object.metadata.name });
  const second = await getList(api, 'Namespace', { limit: '9', continue: first.metadata.continue });
  expect([...first.items, ...second.items].map((item) => item.metadata.name)).toEqual(
    objects.map((object) => object.metadata.name),
  );
});

test('an older server refuses sendInitialEvents with 422', async () => {
  const api = await start({ watchLists: 'refused' });
  const response = await get(api, 'Service', WATCH_LIST);
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({ kind: 'Status', reason: 'Invalid', code: 422 });
});

test('a version that the server has not reached is refused with 504', async () => {
  const api = await start();
  const response = await get(api, 'Service', { watch: 'true', resourceVersion: '99' });
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({ details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
});

test('the history window ends where the limit says', async () => {
  const api = await start({ historyLimit: 2 });
  const objects = recordedObjects('Namespace');
  const versions = objects.slice(0, 4).map((object) => api.put(object).metadata.resourceVersion);
  const tooOld = await (await get(api, 'Namespace', { watch: 'true', resourceVersion: String(versions[0]) })).text();
  expect(JSON.parse(tooOld)).toMatchObject({ type: 'ERROR', object: { code: 410 } });
  const response = await get(api, 'Namespace', { watch: 'true', resourceVersion: String(versions[1]) });
  expect((await readLines(response, 2)).trim().split('\n')).toHaveLength(2);
});

test('a kubeconfig leads to the server, with its token', async () => {
  const api = await start({ token: 'secret' });
  expect((await get(api, 'Service')).status).toBe(401);
  const path = await api.kubeconfig(join(await mkdtemp(join(tmpdir(), 'signalbox-')), 'config'), {
    contexts: ['a', 'b'],
  });
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    clusters: [{ cluster: { server: api.url } }],
    users: [{ user: { token: 'secret' } }],
    contexts: [{ name: 'a' }, { name: 'b' }],
    'current-context': 'a',
  });
});

/** The recorded lists were pretty-printed for curl; the content and its order are compared. */
function withoutSpace(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text.trim();
  }
}
