/** A Deployment's rolling restart, as a load balancer lives through it: real servers, real readiness, a clock of its own. */
import type { EndpointSliceObject } from '@signalbox/contracts';
import { type LbWorld, type PodParts, podsOf } from '../load-balancers/lb-world.ts';
import { type Pod, startPod } from './load-balanced-pods.ts';
import { runningServers } from './running-haproxy.ts';

export interface RolloutOptions {
  readonly world: LbWorld;
  readonly podPort: number;
  readonly socket: string;
  readonly backend: string;
  /** Resolves when the driver has done what is decided by now. */
  readonly settled: () => Promise<void>;
}

type Phase = 'starting' | 'ready' | 'terminating';

/** Pods of the Service `web` and where they are in their life. */
export class Rollout {
  readonly #options: RolloutOptions;
  readonly #pods = new Map<Pod, Phase>();
  readonly #vanished: Pod[] = [];
  #started = 0;
  /** Writes of EndpointSlices that said something new. */
  changes = 0;

  constructor(options: RolloutOptions) {
    this.#options = options;
  }

  get pods(): readonly Pod[] {
    return [...this.#pods.keys()];
  }

  places(phase: Phase): string[] {
    return [...this.#pods].flatMap(([pod, at]) => (at === phase ? [`${pod.address}:${pod.port}`] : [])).sort();
  }

  async start(count: number): Promise<Pod[]> {
    const pods: Pod[] = [];
    for (let i = 0; i < count; i += 1) {
      const number = this.#started;
      this.#started += 1;
      const address = `127.1.${Math.floor(number / 100)}.${(number % 100) + 1}`;
      const pod = await startPod(`pod-${number}`, address, this.#options.podPort);
      this.#pods.set(pod, 'starting');
      pods.push(pod);
    }
    return pods;
  }

  async becomeReady(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) this.#pods.set(pod, 'ready');
    await this.publish();
  }

  /** Their readiness probe fails; the servers serve on. */
  async leaveReady(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) this.#pods.set(pod, 'starting');
    await this.publish();
  }

  /** Out of the EndpointSlice without a word, while the servers serve on. */
  async vanish(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      this.#pods.delete(pod);
      this.#vanished.push(pod);
    }
    await this.publish();
  }

  /** SIGTERM: they serve on, and say with each answer that the connection ends. */
  async terminate(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      this.#pods.set(pod, 'terminating');
      pod.terminate();
    }
    await this.publish();
  }

  /**
   * Terminating pods that get no new connections end. How long they have in real life, `terminationGracePeriodSeconds`, is
   * here as long as HAProxy needs, so that the result does not depend on this machine's speed.
   */
  async endDrained(): Promise<void> {
    const { socket, backend } = this.#options;
    const ready = new Set(
      (await runningServers(socket, backend)).flatMap(({ place, state }) => (state === 'ready' ? [place] : [])),
    );
    const drained = [...this.#pods].filter(
      ([pod, phase]) => phase === 'terminating' && !ready.has(`${pod.address}:${pod.port}`),
    );
    if (drained.length === 0) return;
    for (const [pod] of drained) this.#pods.delete(pod);
    await Promise.all(drained.map(([pod]) => pod.end()));
    await this.publish();
  }

  /** Writes the EndpointSlice, and lets the clock and everybody follow. */
  async publish(stepMs = 300): Promise<void> {
    await this.#options.world.put(this.slice());
    this.changes += 1;
    await this.pass(stepMs);
  }

  async pass(ms: number): Promise<void> {
    await this.#options.settled();
    this.#options.world.clock.advance(ms);
    await this.#options.settled();
  }

  slice(): EndpointSliceObject {
    const endpoints = [...this.#pods].map(
      ([pod, phase]): PodParts => ({
        address: pod.address,
        isReady: phase !== 'starting',
        isTerminating: phase === 'terminating',
        pod: pod.name,
      }),
    );
    return { ...podsOf('web', endpoints), ports: [{ name: 'http', port: this.#options.podPort, protocol: 'TCP' }] };
  }

  async close(): Promise<void> {
    await Promise.all([...this.pods, ...this.#vanished].map((pod) => pod.kill()));
  }
}
