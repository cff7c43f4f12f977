/**
 * What is measured: NATS, a cluster's API server, api-watcher, the three workers and the API, each a process. "Derived" is
 * when the watermarks of all layers in the log cover the change.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LAYERS, parseDerivedSubject, watermarkSchema } from '@signalbox/contracts';
import { type EventLog, openJetStreamEventLog } from '@signalbox/event-log';
import { startNatsCluster } from '../../harness/nats-cluster.ts';
import { startNatsServer } from '../../harness/nats-server.ts';
import type { ClusterCommand, ClusterReady } from '../cluster-process.ts';
import { launchService, type MeasuredProcess } from './measured-process.ts';

const WORKERS = ['proxy-worker', 'dns-worker', 'lb-worker'] as const;
const PARTITIONS = 64;
/** A bench floods the machine: nobody is to lose his lease for that. */
const LEASE = ['--lease', '60'];
/** Characters of the log of a service that ended. */
const LAST_WORDS = 2_000;

interface Nats {
  readonly urls: string;
  readonly pids: readonly (number | undefined)[];
  stop(): Promise<void>;
}

export class BenchPlane {
  readonly log: EventLog;
  readonly nats: Nats;
  readonly processes: MeasuredProcess[] = [];
  readonly #folder: string;
  readonly #cluster: ChildProcess;
  readonly #stopping = new AbortController();
  readonly #watermarks = new Map<string, number>();
  #apis = 0;

  private constructor(nats: Nats, log: EventLog, folder: string, cluster: ChildProcess) {
    this.nats = nats;
    this.log = log;
    this.#folder = folder;
    this.#cluster = cluster;
    void this.#followWatermarks();
  }

  /** An empty log, and a cluster that nobody watches yet. */
  static async open(natsServers: 1 | 3, services: number): Promise<{ plane: BenchPlane; kubeconfig: string }> {
    const nats = await startNats(natsServers);
    const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
    const log = await openJetStreamEventLog({ servers: nats.urls.split(','), name: 'bench', replicas: natsServers });
    const cluster = fork(new URL('../cluster-process.js', import.meta.url), [
      String(services),
      join(folder, 'kubeconfig'),
    ]);
    const [ready] = (await once(cluster, 'message')) as [ClusterReady];
    return { plane: new BenchPlane(nats, log, folder, cluster), kubeconfig: ready.kubeconfig };
  }

  /** A service that ends by itself ends the bench: nothing would come of waiting. */
  start(name: string, ...args: string[]): MeasuredProcess {
    const started = launchService(name, args, this.nats.urls);
    this.processes.push(started);
    started.process.finished.then(
      ({ code, stdout, stderr }) => {
        if (this.#stopping.signal.aborted) return;
        console.error(`${name} ended with ${code}:\n${(stdout + stderr).slice(-LAST_WORDS)}`);
        process.exit(1);
      },
      () => {},
    );
    return started;
  }

  startWatcher(kubeconfig: string, natsReplicas: number): void {
    const source = ['--kubeconfig', kubeconfig, '--context', 'test'];
    this.start('api-watcher', ...source, '--nats-replicas', String(natsReplicas), ...LEASE);
  }

  startWorkers(): MeasuredProcess[] {
    return WORKERS.map((name) => this.start(name, ...LEASE));
  }

  /** An API with a store of its own, empty. */
  startApi(): MeasuredProcess {
    this.#apis += 1;
    return this.start('api', '--listen', '127.0.0.1:0', '--store', join(this.#folder, `store-${this.#apis}.db`));
  }

  workers(): MeasuredProcess[] {
    return this.processes.filter(({ name }) => WORKERS.some((worker) => worker === name));
  }

  /** Resolves when all replicas of each worker have their share of the partitions. */
  async untilShared(replicas: number): Promise<void> {
    const urls = await Promise.all(this.workers().map((worker) => worker.healthUrl()));
    const least = Math.floor(PARTITIONS / replicas);
    for (;;) {
      const shares = await Promise.all(urls.map((url) => metric(url, 'signalbox_worker_partitions')));
      if (shares.every((share) => share >= least && share <= least + 1)) return;
      await sleep(50);
    }
  }

  /** Changes so many slices, as fast as the API server takes them. Resolves with the last revision once that is derived. */
  async change(count: number): Promise<number> {
    const { lastSequence } = await this.log.info('objects');
    const command: ClusterCommand = { type: 'burst', count };
    this.#cluster.send(command);
    await once(this.#cluster, 'message');
    const revision = lastSequence + count;
    await this.untilDerived(revision);
    return revision;
  }

  /** The change as the log has it, as soon as it is there; nothing waits for what follows from it. */
  async changeOne(): Promise<{ revision: number; storedAtMs: number }> {
    const { lastSequence } = await this.log.info('objects');
    const stored = this.#messageAfter(lastSequence);
    const command: ClusterCommand = { type: 'burst', count: 1 };
    this.#cluster.send(command);
    return await stored;
  }

  async untilDerived(revision: number): Promise<void> {
    while (LAYERS.some((layer) => (this.#watermarks.get(layer) ?? 0) < revision)) await sleep(2);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { process } of this.processes) process.child.kill('SIGKILL');
    await Promise.all(this.processes.map(({ process }) => process.finished));
    this.#cluster.disconnect();
    await this.log.close();
    await this.nats.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #messageAfter(sequence: number): Promise<{ revision: number; storedAtMs: number }> {
    for await (const { messages } of this.log.follow('objects', { from: sequence, signal: this.#stopping.signal })) {
      const [first] = messages;
      if (first !== undefined) return { revision: first.sequence, storedAtMs: first.storedAtMs };
    }
    throw new Error('the log ended');
  }

  async #followWatermarks(): Promise<void> {
    const options = { from: 'snapshot', filter: 'watermarks.*', signal: this.#stopping.signal } as const;
    for await (const { messages } of this.log.follow('derived', options)) {
      for (const { subject, data } of messages) {
        const { layer } = parseDerivedSubject(subject);
        if (data !== null) this.#watermarks.set(layer, watermarkSchema.parse(JSON.parse(data)).revision);
      }
    }
  }
}

export async function untilReady(process: MeasuredProcess): Promise<void> {
  const url = await process.healthUrl();
  while ((await fetch(`${url}/readyz`)).status !== 200) await sleep(10);
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

async function startNats(servers: 1 | 3): Promise<Nats> {
  if (servers === 3) {
    const cluster = await startNatsCluster();
    const pids = [...cluster.nodes.values()].map(({ pid }) => pid);
    return { urls: cluster.urls, pids, stop: () => cluster.stop() };
  }
  const server = await startNatsServer();
  return { urls: server.url, pids: [server.pid], stop: () => server.stop() };
}
