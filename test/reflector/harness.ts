/** What the reflector's tests share: a sink in memory, a source in a hurry, and the state that both should end in. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  endpointSliceObjectSchema,
  namespaceObjectSchema,
  nodeObjectSchema,
  podObjectSchema,
  SOURCE_KINDS,
  type SourceKind,
  type SourceStatus,
  serviceObjectSchema,
} from '@signalbox/contracts';
import {
  type KubernetesSourceOptions,
  kubernetesSource,
  type Source,
  type SourceChange,
  type SourceObject,
  type SourceSink,
} from '@signalbox/kube';
import { afterEach, expect } from 'vitest';
import {
  type ApiObject,
  type ApiServer,
  type ApiServerOptions,
  startApiServer,
} from '../harness/api-server/api-server.ts';

export class MemorySink implements SourceSink {
  readonly objects = new Map<SourceKind, Map<string, SourceObject>>(SOURCE_KINDS.map((kind) => [kind, new Map()]));
  readonly statuses: SourceStatus[] = [];
  readonly calls: { readonly type: 'replace' | 'apply'; readonly size: number }[] = [];
  /** Awaited, and may throw, before each call is taken. */
  gate: () => Promise<void> = () => Promise.resolve();

  async replace(kind: SourceKind, objects: readonly SourceObject[]): Promise<void> {
    await this.gate();
    this.calls.push({ type: 'replace', size: objects.length });
    this.objects.set(kind, new Map(objects.map((object) => [keyOf(object.object.metadata), object])));
  }

  async apply(changes: readonly SourceChange[]): Promise<void> {
    await this.gate();
    this.calls.push({ type: 'apply', size: changes.length });
    for (const change of changes) {
      if (change.type === 'delete') this.#kind(change.kind).delete(keyOf(change));
      else this.#kind(change.object.kind).set(keyOf(change.object.metadata), change);
    }
  }

  report(status: SourceStatus): void {
    this.statuses.push(status);
  }

  status(kind: SourceKind): SourceStatus | undefined {
    return this.statuses.findLast((status) => status.kind === kind);
  }

  statesOf(kind: SourceKind): string[] {
    return this.statuses.filter((status) => status.kind === kind).map((status) => status.state);
  }

  /** Trimmed objects by name, with their versions. */
  state(kind: SourceKind): Record<string, unknown> {
    const entries = [...this.#kind(kind)].map(([key, { resourceVersion, object }]) => [
      key,
      { resourceVersion, object },
    ]);
    return Object.fromEntries(entries);
  }

  #kind(kind: SourceKind): Map<string, SourceObject> {
    return this.objects.get(kind) ?? new Map();
  }
}

const SCHEMAS = {
  Service: serviceObjectSchema,
  EndpointSlice: endpointSliceObjectSchema,
  Node: nodeObjectSchema,
  Namespace: namespaceObjectSchema,
  Pod: podObjectSchema,
};

/** What a sink holds that was given these objects as a fresh list: those that the contracts can read. */
export function stateOf(objects: readonly ApiObject[]): Record<string, unknown> {
  const entries = objects.flatMap((object) => {
    const parsed = SCHEMAS[object.kind].safeParse(object);
    const { resourceVersion } = object.metadata;
    return parsed.success ? [[keyOf(object.metadata), { resourceVersion, object: parsed.data }]] : [];
  });
  return Object.fromEntries(entries);
}

function keyOf(metadata: { namespace?: string; name: string }): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Undone after the test, last first. */
export function afterTest(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup);
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-'));
  afterTest(() => rm(folder, { recursive: true }));
  return folder;
}

export async function startServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const server = await startApiServer(options);
  afterTest(() => server.stop());
  return server;
}

/** Patient enough for a busy machine, impatient enough for a test. */
export const FAST_TIMES = {
  idleTimeoutMs: 10_000,
  watchTimeoutMs: 60_000,
  healthyAfterMs: 10_000,
  backOffBaseMs: 1,
  backOffCapMs: 20,
  slowRetryMs: 20,
  statusIntervalMs: 1,
};

/** A running source of this server. After the test it is stopped, and no connection may be left. */
export async function startSource(
  server: ApiServer,
  options: Partial<KubernetesSourceOptions> = {},
): Promise<{ source: Source; sink: MemorySink }> {
  const kubeconfig = options.kubeconfig ?? (await server.kubeconfig(join(await temporaryFolder(), 'config')));
  const times = { ...FAST_TIMES, ...options.times };
  const source = kubernetesSource({ cluster: 'test', domain: 'cluster.local', ...options, kubeconfig, times });
  const sink = new MemorySink();
  await source.start(sink);
  afterTest(async () => {
    await source.stop();
    await waitFor(() => server.connections() === 0, 'the source to close its connections');
  });
  return { source, sink };
}

export async function waitFor(condition: () => boolean, what: string, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export async function waitForState(sink: MemorySink, kind: SourceKind, state: string): Promise<void> {
  try {
    await waitFor(() => sink.status(kind)?.state === state, '');
  } catch {
    expect(sink.status(kind)).toMatchObject({ state });
  }
}

/** Waits until the sink holds what a fresh list of the server gives. */
export async function waitForSync(server: ApiServer, sink: MemorySink, kind: SourceKind): Promise<void> {
  const wanted = () => JSON.stringify(sorted(stateOf(server.list(kind))));
  try {
    await waitFor(() => JSON.stringify(sorted(sink.state(kind))) === wanted(), '');
  } catch {
    expect(sink.state(kind)).toEqual(stateOf(server.list(kind)));
  }
}

function sorted(state: Record<string, unknown>): [string, unknown][] {
  return Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1));
}
