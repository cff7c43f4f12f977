/**
 * What is measured: watcher, log, three workers and the store in one process. Commanded by its parent.
 *
 * "Stored" is when the projector has committed the watermark of all three layers. "Derived" is when the document comes
 * out of the derived stream; the time of the change is the slice's trigger time, so both clocks are the machine's, with a
 * resolution of a millisecond.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Plane, startPlane } from '@signalbox/cli';
import type { DerivedMessage } from '@signalbox/contracts';
import { createLogger } from '@signalbox/kit';
import { kubernetesSource } from '@signalbox/kube';

export type PlaneCommand =
  | {
      readonly type: 'start';
      readonly kubeconfig: string;
      readonly dataDir: string;
      readonly natsUrl: string | undefined;
    }
  /** Waits until `events` more objects are stored and all that follows from them. */
  | { readonly type: 'settle'; readonly events: number }
  /** Starts, then reports, the times from change to derived document. */
  | { readonly type: 'watchDelays' }
  | { readonly type: 'stop' };

export interface PlaneAnswer {
  readonly elapsedMs: number;
  readonly revision: number;
  readonly delaysMs: readonly number[];
  readonly peakMiB: number;
}

let plane: Plane | undefined;
let delays: { stop: () => Promise<number[]> } | undefined;

process.on('message', (command: PlaneCommand) => {
  const startedAt = performance.now();
  handle(command).then(
    (delaysMs) => {
      const peakMiB = process.resourceUsage().maxRSS / 1024;
      const answer: PlaneAnswer = {
        elapsedMs: performance.now() - startedAt,
        revision: revisionOf(),
        delaysMs,
        peakMiB,
      };
      process.send?.(answer);
    },
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());

async function handle(command: PlaneCommand): Promise<number[]> {
  switch (command.type) {
    case 'start':
      plane = await start(command);
      await until(() => revisionOf() > 0 && plane?.readiness().isReady === true);
      await plane.api.processAll();
      return [];
    case 'settle': {
      const wanted = revisionOf() + command.events;
      await until(() => revisionOf() >= wanted);
      await plane?.api.processAll();
      return [];
    }
    case 'watchDelays':
      if (delays === undefined) delays = watchDelays();
      else return await delays.stop();
      return [];
    case 'stop':
      await plane?.stop();
      return [];
  }
}

function revisionOf(): number {
  return plane?.workers.revision ?? 0;
}

async function start({ kubeconfig, dataDir, natsUrl }: Extract<PlaneCommand, { type: 'start' }>): Promise<Plane> {
  return await startPlane({
    dataDir,
    ...(natsUrl === undefined ? {} : { nats: { servers: [natsUrl] } }),
    sources: [kubernetesSource({ cluster: 'bench', domain: 'cluster.local', kubeconfig })],
    apiListen: { address: '127.0.0.1', port: 0 },
    dnsTtlSeconds: 30,
    clusterCIDRs: [],
    logger: createLogger({ component: 'bench', level: 'error' }),
  });
}

function watchDelays(): { stop: () => Promise<number[]> } {
  const found: number[] = [];
  const stopping = new AbortController();
  const reading = readDelays(found, stopping.signal);
  return {
    stop: async () => {
      stopping.abort();
      await reading;
      return found;
    },
  };
}

async function readDelays(found: number[], signal: AbortSignal): Promise<void> {
  if (plane === undefined) throw new Error('not started');
  const { lastSequence } = await plane.log.info('derived');
  for await (const batch of plane.log.follow('derived', { from: lastSequence, filter: 'derived.proxy.>', signal })) {
    const now = Date.now();
    for (const { data } of batch.messages) {
      if (data !== null) found.push(now - (JSON.parse(data) as DerivedMessage).changedAtMs);
    }
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(2);
}
