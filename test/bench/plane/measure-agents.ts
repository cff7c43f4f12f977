/**
 * From the append of a change to the acknowledgement of each of many node agents, and to the moment at which the API says
 * that all have it. Both ends of the first are times at which NATS stored a message; the second ends at this process, which
 * asks the API again and again.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ack, Convergence } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { BenchPlane } from './bench-plane.ts';
import { type Cost, costOf, type MeasuredProcess } from './measured-process.ts';

export type AgentsKind = 'subscribed' | 'fanned-out';
export const AGENTS_PER_CONNECTION = 20;

export interface AgentsMeasurement {
  readonly kind: AgentsKind;
  readonly agents: number;
  /** From their start until all of them follow. */
  readonly startMs: number;
  /** Of every agent and change. */
  readonly acknowledgedMs: readonly number[];
  /** Of every change. */
  readonly convergedMs: readonly number[];
  readonly agentsCost: Cost;
  readonly apiCpuMsPerChange: number;
}

/** Longer than an agent waits between two acknowledgements: each change finds them free to speak. */
const PAUSE_MS = 1500;
const POLL_MS = 20;

export async function measureAgents(
  plane: BenchPlane,
  api: MeasuredProcess,
  { kind, agents, changes }: { kind: AgentsKind; agents: number; changes: number },
): Promise<AgentsMeasurement> {
  const acks = new AckFollower(plane.log, (await plane.log.info('status')).lastSequence);
  const child = fork(new URL('agents-process.js', import.meta.url), [
    plane.nats.urls,
    kind,
    String(agents),
    String(AGENTS_PER_CONNECTION),
  ]);
  const begin = performance.now();
  await once(child, 'message');
  const startMs = performance.now() - begin;
  await acks.untilAll(0, agents);
  const [, url = ''] = await api.process.waitFor(/"url":"([^"]+)","store"/);
  const [acknowledgedMs, convergedMs]: [number[], number[]] = [[], []];
  const { cpuSeconds } = costOf(api.process.child.pid);
  for (let change = 0; change < changes; change += 1) {
    await sleep(PAUSE_MS);
    const { revision, storedAtMs } = await plane.changeOne();
    const [acknowledged, convergedAtMs] = await Promise.all([
      acks.untilAll(revision, agents),
      untilConverged(url, revision),
    ]);
    convergedMs.push(convergedAtMs - storedAtMs);
    for (const atMs of acknowledged) acknowledgedMs.push(Math.max(0, atMs - storedAtMs));
  }
  const apiCpuMsPerChange = ((costOf(api.process.child.pid).cpuSeconds - cpuSeconds) * 1000) / changes;
  const agentsCost = costOf(child.pid);
  child.send('stop');
  await once(child, 'exit');
  acks.close();
  return { kind, agents, startMs, acknowledgedMs, convergedMs, agentsCost, apiCpuMsPerChange };
}

/** When each consumer first acknowledged a revision that is waited for. */
class AckFollower {
  readonly #revisions = new Map<string, number>();
  readonly #stopping = new AbortController();
  #wanted = 0;
  #reachedAtMs = new Map<string, number>();

  constructor(log: EventLog, from: number) {
    void this.#follow(log, from);
  }

  /** Times at which so many consumers' acknowledgements of the revision or a later one were stored. */
  async untilAll(revision: number, consumers: number): Promise<number[]> {
    this.#wanted = revision;
    this.#reachedAtMs = new Map();
    for (const [consumer, reached] of this.#revisions) if (reached >= revision) this.#reachedAtMs.set(consumer, 0);
    while (this.#reachedAtMs.size < consumers) await sleep(2);
    return [...this.#reachedAtMs.values()];
  }

  close(): void {
    this.#stopping.abort();
  }

  async #follow(log: EventLog, from: number): Promise<void> {
    const options = { from, filter: 'status.ack.proxy.>', signal: this.#stopping.signal };
    for await (const { messages } of log.follow('status', options)) {
      for (const { data, storedAtMs } of messages) {
        if (data === null) continue;
        const { consumer, revision } = JSON.parse(data) as Ack;
        this.#revisions.set(consumer, revision);
        const isFirst = revision >= this.#wanted && !this.#reachedAtMs.has(consumer);
        if (isFirst) this.#reachedAtMs.set(consumer, storedAtMs);
      }
    }
  }
}

async function untilConverged(apiUrl: string, revision: number): Promise<number> {
  for (;;) {
    const answer = await fetch(`${apiUrl}/v1/convergence?revision=${revision}`);
    const { layers } = (await answer.json()) as Convergence;
    if (layers.find(({ layer }) => layer === 'proxy')?.isConverged === true) return Date.now();
    await sleep(POLL_MS);
  }
}
