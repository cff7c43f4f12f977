/**
 * Many simulated node agents in one process, commanded by its parent. Each tells the log what it has reached as the real
 * agent does: at once, and then once a second at most. What it does not do is a node's work: it reads watermarks, and
 * programs nothing.
 *
 *     subscribed   each follows the derived stream by itself; some share a connection
 *     fanned-out   one follow tells all of them, as if each had followed
 */
import { setMaxListeners } from 'node:events';
import { type Ack, ackSubject, parseDerivedSubject, watermarkSchema, watermarkSubject } from '@signalbox/contracts';
import { type EventLog, type LogBatch, openJetStreamEventLog } from '@signalbox/event-log';
import { Acknowledger, createLogger } from '@signalbox/kit';

/** Of no cluster with nodes: else those that are none of its nodes would not count as consumers. */
const CLUSTER = 'simulated';
const FANNED_OUT_CONNECTIONS = 10;
const ACK_INTERVAL_MS = 1000;

const [servers = '', kind = 'subscribed', countText = '0', sharing = '1'] = process.argv.slice(2);
const [count, agentsPerConnection] = [Number(countText), Number(sharing)];
const logger = createLogger({ component: 'agents', level: 'error' });
const stopping = new AbortController();
// All agents listen to the one signal.
setMaxListeners(0, stopping.signal);

class SimulatedAgent {
  readonly log: EventLog;
  readonly #acknowledger: Acknowledger;
  #ack: Ack;

  constructor(log: EventLog, name: string) {
    this.log = log;
    const who = { consumer: name, node: name, kind: 'node-agent', layer: 'proxy', cluster: CLUSTER } as const;
    this.#ack = { ...who, backend: 'nftables', revision: 0, appliedAtMs: null, error: '', skippedServices: 0 };
    this.#acknowledger = new Acknowledger({ log, logger, intervalMs: ACK_INTERVAL_MS, currentAck: () => this.#ack });
  }

  reach(revision: number): void {
    this.#ack = { ...this.#ack, revision, appliedAtMs: Date.now() };
    this.#acknowledger.note();
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#acknowledger.run(signal);
  }

  get farewell(): { subject: string; data: null } {
    return { subject: ackSubject(this.#ack), data: null };
  }
}

const connections = kind === 'subscribed' ? Math.ceil(count / agentsPerConnection) : FANNED_OUT_CONNECTIONS;
const logs = await Promise.all(
  Array.from({ length: connections }, (_, i) =>
    openJetStreamEventLog({ servers: servers.split(','), name: `agents-${i}` }),
  ),
);
const agents = Array.from({ length: count }, (_, i) => {
  return new SimulatedAgent(logs[i % logs.length] as EventLog, `agent-${i}`);
});
const running = agents.map((agent) => agent.run(stopping.signal));
process.on('message', () => void stop());
process.on('disconnect', () => process.exit());
await follow();
process.send?.('following');

/** From where the plane is now: what a real agent reads at its start is no part of what is measured. */
async function follow(): Promise<void> {
  const [log] = logs;
  if (log === undefined) throw new Error('no agents');
  const { lastSequence } = await log.info('derived');
  const watermark = await log.last('derived', watermarkSubject('proxy'));
  const reached = watermark?.data == null ? 0 : watermarkSchema.parse(JSON.parse(watermark.data)).revision;
  for (const agent of agents) agent.reach(reached);
  if (kind === 'fanned-out') await begin(log, lastSequence, agents);
  else await inWaves(agents, (agent) => begin(agent.log, lastSequence, [agent]));
}

/** One agent of each connection at a time. */
async function inWaves(all: readonly SimulatedAgent[], work: (agent: SimulatedAgent) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += logs.length) {
    await Promise.all(all.slice(start, start + logs.length).map(work));
  }
}

/** Resolves once the follow has come to the end of the stream. */
function begin(log: EventLog, from: number, told: readonly SimulatedAgent[]): Promise<void> {
  return new Promise((onCaughtUp) => running.push(followFor({ log, from, onCaughtUp }, told)));
}

interface Follow {
  readonly log: EventLog;
  readonly from: number;
  readonly onCaughtUp: () => void;
}

async function followFor({ log, from, onCaughtUp }: Follow, told: readonly SimulatedAgent[]): Promise<void> {
  for await (const batch of log.follow('derived', { from, signal: stopping.signal })) {
    const revision = newestRevision(batch);
    if (revision !== undefined) for (const agent of told) agent.reach(revision);
    if (batch.isCaughtUp) onCaughtUp();
  }
}

function newestRevision({ messages }: LogBatch): number | undefined {
  const watermarks = messages.filter(({ subject }) => {
    const parsed = parseDerivedSubject(subject);
    return parsed.type === 'watermark' && parsed.layer === 'proxy';
  });
  const data = watermarks.at(-1)?.data;
  return data == null ? undefined : watermarkSchema.parse(JSON.parse(data)).revision;
}

/** Takes back what was said, so that nobody waits for agents that are gone. */
async function stop(): Promise<void> {
  stopping.abort();
  await Promise.all(running);
  await logs[0]?.appendAll(
    'status',
    agents.map(({ farewell }) => farewell),
  );
  await Promise.all(logs.map((log) => log.close()));
  process.exit();
}
