/** What is measured, from the command line. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly services: number;
  /** Changes of which the latency is measured, one at a time. */
  readonly changes: number;
  /** Each with a subscription of its own. */
  readonly agents: number;
  /** Without subscriptions of their own. */
  readonly simulatedAgents: number;
  /** Sizes of the NATS cluster: 1, 3. */
  readonly natsServers: readonly (1 | 3)[];
  /** Of each worker, at most. */
  readonly replicas: number;
}

const HELP = `npm run bench:plane [-- options]: the plane as separate processes on nats-server. Prints tables; decides nothing.

  --services N     Services of 10 endpoints (default 10000)
  --changes N      changes for the latency to agents, one at a time (default 20)
  --agents N       simulated node agents with subscriptions of their own (default 1000)
  --simulated N    simulated node agents that share one subscription (default 10000)
  --nats LIST      sizes of the NATS cluster, of 1 and 3 (default 1,3)
  --replicas N     replicas of each worker, at most (default 3)
  --quick          100 services, 10 and 20 agents, 2 replicas, 3 changes: does it run at all?
  --help

It floods the machine for some minutes. API server, NATS, simulated agents and the plane share its cores: ratios say
more than times.`;

const QUICK = { services: '100', changes: '3', agents: '10', simulated: '20', nats: '1', replicas: '2' };
const FULL = { services: '10000', changes: '20', agents: '1000', simulated: '10000', nats: '1,3', replicas: '3' };

/** Undefined: help was asked for, and is printed. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ services: text, changes: text, agents: text, simulated: text, nats: text, replicas: text },
      quick: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(HELP);
    return undefined;
  }
  const chosen = { ...(values.quick === true ? QUICK : FULL), ...values };
  return {
    services: count('--services', chosen.services),
    changes: count('--changes', chosen.changes),
    agents: count('--agents', chosen.agents),
    simulatedAgents: count('--simulated', chosen.simulated),
    natsServers: chosen.nats.split(',').map(natsSize),
    replicas: count('--replicas', chosen.replicas),
  };
}

function count(flag: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`${flag}: "${text}" is not a number from 1 to 999999`);
}

function natsSize(text: string): 1 | 3 {
  if (text === '1' || text === '3') return Number(text) === 1 ? 1 : 3;
  throw new Error(`--nats: "${text}" is not 1 or 3`);
}
