/**
 * One measurement of `npm run bench:rules`, alone in a network namespace with a NATS server and an agent: from an append
 * to the log until the agent has programmed the kernel (as it says, to the millisecond) and its acknowledgement is in the
 * log. Prints one line of JSON.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import {
  type Ack,
  ackSchema,
  ackSubject,
  type DerivedMessage,
  derivedSubject,
  type ProxyPlan,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import { type EventLog, openJetStreamEventLog } from '@signalbox/event-log';
import { startNatsServer } from '../harness/nats-server.ts';
import { aNode, upsertOf } from '../harness/objects.ts';
import { CLUSTER, changedPlan, NODE, planOf } from './rules-plans.ts';

export interface AgentMeasurement {
  /** From the start of the agent's process until the acknowledgement of the first rules. */
  readonly coldMs: number;
  readonly programmedMs: readonly number[];
  readonly acknowledgedMs: readonly number[];
  /** Resident, after the changes; and at most, of which most is the first load. */
  readonly agentMiB: number;
  readonly agentPeakMiB: number;
  /** The agent's event loop, at most, while the kernel was read back and compared once. */
  readonly driftBlockMs: number;
  /** With that comparison, which has a thread of its own. */
  readonly driftPeakMiB: number;
}

const [backend = '', servicesText = '', changesText = ''] = process.argv.slice(2);
const [services, changes] = [Number(servicesText), Number(changesText)];
const DRIFT_SECONDS = 10;
const script = fileURLToPath(new URL('agent-process.js', import.meta.url));

async function measure(log: EventLog): Promise<AgentMeasurement> {
  await log.appendAll('objects', [upsertOf(CLUSTER, aNode(NODE), Date.now())]);
  await appendPlans(
    log,
    Array.from({ length: services }, (_, index) => planOf(index)),
    1,
  );
  const statuses = new Statuses(log);
  const start = performance.now();
  const agent = fork(script, [server.url, backend, `${DRIFT_SECONDS}`], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await statuses.acknowledgementOf(1);
  const coldMs = performance.now() - start;
  const [programmedMs, acknowledgedMs]: [number[], number[]] = [[], []];
  for (let change = 0; change < changes; change += 1) {
    const [begin, beginMs] = [performance.now(), performance.timeOrigin + performance.now()];
    await appendPlans(log, [changedPlan(change, services)], change + 2);
    const { appliedAtMs } = await statuses.acknowledgementOf(change + 2);
    acknowledgedMs.push(performance.now() - begin);
    programmedMs.push(Math.max(0, (appliedAtMs ?? 0) - beginMs));
  }
  const [agentMiB, agentPeakMiB] = [memoryOf(agent, 'VmRSS'), memoryOf(agent, 'VmHWM')];
  const driftBlockMs = await driftBlockMsOf(agent);
  const driftPeakMiB = memoryOf(agent, 'VmHWM');
  agent.disconnect();
  await once(agent, 'exit');
  return { coldMs, programmedMs, acknowledgedMs, agentMiB, agentPeakMiB, driftBlockMs, driftPeakMiB };
}

async function appendPlans(log: EventLog, plans: readonly ProxyPlan[], revision: number): Promise<void> {
  const watermark: Watermark = {
    layer: 'proxy',
    revision,
    clusters: { [CLUSTER]: { domain: 'cluster.local' } },
    skippedServices: 0,
  };
  const entries = plans.map((plan) => {
    const message: DerivedMessage<ProxyPlan> = {
      revision,
      changedAtMs: Date.now(),
      contentHash: `${plan.name} ${revision}`,
      document: plan,
      skipped: [],
    };
    return { subject: derivedSubject('proxy', plan), data: JSON.stringify(message) };
  });
  await log.appendAll('derived', [...entries, { subject: watermarkSubject('proxy'), data: JSON.stringify(watermark) }]);
}

async function driftBlockMsOf(agent: ChildProcess): Promise<number> {
  const answered = once(agent, 'message');
  agent.send('drift');
  return ((await answered) as [number])[0];
}

function memoryOf({ pid }: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
}

/** What the agent says of itself, as it says it. */
class Statuses {
  #ack: Ack | undefined;
  #onChange = (): void => {};

  constructor(log: EventLog) {
    void this.#follow(log);
  }

  async acknowledgementOf(revision: number): Promise<Ack> {
    for (;;) {
      if (this.#ack !== undefined && this.#ack.error !== '') throw new Error(this.#ack.error);
      if (this.#ack !== undefined && this.#ack.revision >= revision) return this.#ack;
      await this.#change();
    }
  }

  async #follow(log: EventLog): Promise<void> {
    const filter = ackSubject({ layer: 'proxy', cluster: CLUSTER, consumer: NODE });
    for await (const { messages } of log.follow('status', { from: 'snapshot', filter })) {
      for (const { data } of messages) if (data !== null) this.#ack = ackSchema.parse(JSON.parse(data));
      this.#onChange();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }
}

// Told to give up: the server ends with this process.
process.on('SIGTERM', () => process.exit(1));
execFileSync('ip', ['link', 'set', 'lo', 'up']);
const server = await startNatsServer();
const log = await openJetStreamEventLog({ servers: server.url, name: 'bench' });
try {
  console.log(JSON.stringify(await measure(log)));
} finally {
  await log.close();
  await server.stop();
}
