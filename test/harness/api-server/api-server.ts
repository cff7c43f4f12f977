/**
 * A small Kubernetes API server for tests: real HTTP on loopback, the four kinds that sources read, lists in pages,
 * watches with bookmarks, watch-lists, and whatever a test wants to go wrong. What it writes is held to recordings of
 * kube-apiserver 1.36 (api-server.test.ts).
 *
 *     const server = await startApiServer({ objects: [aService] });
 *     const kubeconfig = await server.kubeconfig(join(folder, 'kubeconfig'));
 *     server.put(anotherService);
 *     server.fault({ kind: 'Service', type: 'cut', on: 'watch', afterBytes: 100 });
 *     await server.stop();
 */
import { writeFile } from 'node:fs/promises';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SourceKind } from '@signalbox/contracts';
import { NOT_FOUND, refusal } from './api-bodies.ts';
import { type Fault, FaultQueue } from './faults.ts';
import { send } from './faulty-body.ts';
import { kindOfPath } from './kinds.ts';
import { ListHandler } from './list-handler.ts';
import { type ApiObject, type ObjectRef, ObjectStore } from './object-store.ts';
import { PatchRequests, type StatusPatch, StatusPatches } from './status-patches.ts';
import { WatchHandler } from './watch-handler.ts';

export type { Fault } from './faults.ts';
export type { ApiObject } from './object-store.ts';

export interface ApiServerOptions {
  readonly objects?: readonly ApiObject[];
  /** What `sendInitialEvents` meets: a server before Kubernetes 1.34 refuses it, one before 1.20 ignores it. */
  readonly watchLists?: 'served' | 'refused' | 'ignored';
  /** Changes kept for watches that resume. Default 10,000. */
  readonly historyLimit?: number;
  /** How often open watches get a bookmark; without it only `bookmark` sends one. */
  readonly bookmarkIntervalMs?: number;
  /** The bearer token that requests must carry; without it anybody may read. */
  readonly token?: string;
  /** Serves HTTPS; with `clientCa` only to clients whose certificate it signed. PEM text. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  /** Default 0: any free port. */
  readonly port?: number;
}

interface ApiRequest {
  readonly kind: SourceKind;
  readonly verb: 'list' | 'watch';
  readonly query: Readonly<Record<string, string>>;
}

export interface ApiServer {
  readonly url: string;
  readonly port: number;
  /** Requests so far, oldest first; the last 10,000 of them. */
  readonly requests: readonly ApiRequest[];
  /** Writes a kubeconfig whose contexts all lead here, the first being current, and returns its path. */
  kubeconfig(
    path: string,
    options?: { contexts?: readonly string[]; user?: object; cluster?: object },
  ): Promise<string>;
  /** `resourceVersion` replays a recording; without it versions count up. Returns the stored object. */
  put(object: ApiObject, resourceVersion?: number): ApiObject;
  /** False if there was no such object. */
  delete(ref: ObjectRef, resourceVersion?: number): boolean;
  list(kind: SourceKind): readonly ApiObject[];
  /** The version of the last change. */
  version(): number;
  /** Raises the version that lists and bookmarks name, as writes to other kinds do. */
  advanceTo(version: number): void;
  /** Forgets all history: earlier versions and open lists in pages are answered with 410. */
  compact(): void;
  fault(fault: Fault): void;
  clearFaults(): void;
  /** Sends a bookmark to the open watches of a kind. */
  bookmark(kind: SourceKind): void;
  /** Sends text to the open watches of a kind as it is: broken lines, unknown events. */
  send(kind: SourceKind, text: string): void;
  /** Breaks the connections of the open watches of a kind. */
  cutWatches(kind: SourceKind): void;
  openWatches(kind: SourceKind): number;
  /** The token that requests must carry from now on. */
  setToken(token: string): void;
  /** A Pod whose status may be patched. */
  addPod(namespace: string, name: string): void;
  podConditions(namespace: string, name: string): object[];
  /** Applied to the status of Services and Pods so far. */
  readonly patches: readonly StatusPatch[];
  /** The next patches are refused with this status. */
  refusePatches(code: number, times: number): void;
  /** Open connections of any kind. */
  connections(): number;
  /** Closes every connection. */
  stop(): Promise<void>;
}

const MAX_REQUESTS = 10_000;
const UNAUTHORIZED = { type: 'status', code: 401 } as const;

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const store = new ObjectStore(options.historyLimit ?? 10_000);
  const lists = new ListHandler(store);
  const watches = new WatchHandler({
    store,
    watchLists: options.watchLists ?? 'served',
    bookmarkIntervalMs: options.bookmarkIntervalMs,
  });
  const faults = new FaultQueue();
  const statuses = new StatusPatches(store);
  const patches = new PatchRequests(statuses);
  const requests: ApiRequest[] = [];
  let token = options.token;
  for (const object of options.objects ?? []) store.put(object);

  const isAllowed = (request: IncomingMessage): boolean =>
    token === undefined || request.headers.authorization === `Bearer ${token}`;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const info = kindOfPath(url.pathname);
    if (info === undefined) {
      send(response, NOT_FOUND);
      return;
    }
    const verb = ['true', '1'].includes(url.searchParams.get('watch') ?? '') ? 'watch' : 'list';
    requests.push({ kind: info.kind, verb, query: Object.fromEntries(url.searchParams) });
    if (requests.length > MAX_REQUESTS) requests.shift();
    const fault = isAllowed(request) ? faults.take(info.kind, verb) : UNAUTHORIZED;
    if (fault?.type === 'status') send(response, refusal(fault.code, info, verb), fault);
    else if (verb === 'list') send(response, lists.answer(info, url.searchParams), fault);
    else watches.answer(info, url.searchParams, response, fault);
  };
  const handle: Handle = (request, response) => {
    if (request.method === 'PATCH') void patches.handle(request, response, isAllowed(request));
    else answer(request, response);
  };
  const { port, connections, stop } = await listen(handle, options);
  const url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;

  return {
    url,
    port,
    requests,
    kubeconfig: (path, settings = {}) => writeKubeconfig(path, { url, token, ...settings }),
    put: (object, resourceVersion) => store.put(object, resourceVersion),
    delete: (ref, resourceVersion) => store.delete(ref, resourceVersion) !== undefined,
    list: (kind) => store.list(kind),
    version: () => store.version,
    advanceTo: (version) => store.advanceTo(version),
    compact: () => {
      store.compact();
      lists.expire();
    },
    fault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    bookmark: (kind) => watches.bookmark(kind),
    send: (kind, text) => watches.send(kind, text),
    cutWatches: (kind) => watches.cut(kind),
    openWatches: (kind) => watches.count(kind),
    setToken: (next) => {
      token = next;
    },
    addPod: (namespace, name) => statuses.addPod(namespace, name),
    podConditions: (namespace, name) => statuses.conditions(namespace, name),
    patches: patches.done,
    refusePatches: (code, times) => patches.refuse(code, times),
    connections,
    stop,
  };
}

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

async function listen(handle: Handle, options: ApiServerOptions) {
  const server = createServer(handle, options.tls);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port, connections: () => sockets.size, stop };
}

function createServer(handle: Handle, tls: ApiServerOptions['tls']): http.Server | https.Server {
  if (tls === undefined) return http.createServer(handle);
  const { key, cert, clientCa } = tls;
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return https.createServer({ key, cert, ...clients }, handle);
}

interface KubeconfigSettings {
  readonly url: string;
  readonly token: string | undefined;
  readonly contexts?: readonly string[];
  readonly user?: object;
  readonly cluster?: object;
}

/** JSON is YAML. */
async function writeKubeconfig(path: string, settings: KubeconfigSettings): Promise<string> {
  const { url, token, contexts = ['test'], user = token === undefined ? {} : { token }, cluster = {} } = settings;
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, ...cluster } }],
    users: [{ name: 'test', user }],
    contexts: contexts.map((name) => ({ name, context: { cluster: 'test', user: 'test' } })),
    'current-context': contexts[0],
  };
  await writeFile(path, JSON.stringify(kubeconfig, null, 2));
  return path;
}
