/**
 * A node agent as `npm run bench:rules` measures it: a process of its own, so that its memory is its own. Told anything by
 * its parent, it waits for the next comparison of the kernel with its plans, and says for how many milliseconds its event
 * loop was blocked meanwhile at most.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openJetStreamEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import { startNodeAgent } from '@signalbox/node-agent';
import { CLUSTER, CLUSTER_CIDRS, NODE } from './rules-plans.ts';

const [natsUrl = '', backend = '', driftSeconds = ''] = process.argv.slice(2);
const registry = createRegistry();
const log = await openJetStreamEventLog({ servers: natsUrl, name: 'bench-agent' });
const logger = createLogger({ component: 'node-agent', level: 'error' });
const agent = await startNodeAgent(
  { log, logger, registry },
  {
    cluster: CLUSTER,
    node: NODE,
    backend: backend === 'iptables' ? 'iptables' : 'nftables',
    families: ['IPv4'],
    clusterCIDRs: CLUSTER_CIDRS,
    ackIntervalMs: 1,
    driftIntervalMs: Number(driftSeconds) * 1000,
  },
);
process.on('message', () => {
  void blockOfNextCheck().then((blockMs) => process.send?.(blockMs));
});
process.on('disconnect', () => {
  void agent.stop().then(() => process.exit());
});

async function blockOfNextCheck(): Promise<number> {
  const before = await checks();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  while ((await checks()) === before) await sleep(50);
  loop.disable();
  return loop.max / 1e6;
}

/** Throws when one of them found a difference: then what was measured is not what is meant. */
async function checks(): Promise<number> {
  const text = await registry.getSingleMetricAsString('signalbox_drift_checks_total');
  if (/outcome="(different|failed)"/.test(text)) throw new Error(text);
  return Number(/outcome="equal"\} (\d+)/.exec(text)?.[1] ?? 0);
}
