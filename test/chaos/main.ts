import { startNatsCluster } from '../harness/nats-cluster.ts';
import { runSeed } from './run-seed.ts';

const bus = await startNatsCluster('', { hasNetwork: true });
for (let seed = Number(process.argv[2] ?? 1); seed <= Number(process.argv[3]); seed += 1) {
  const started = performance.now();
  const since = () => ((performance.now() - started) / 1000).toFixed(1);
  const found = await runSeed(bus, { seed, faults: 8, say: (text) => console.log(since(), text) });
  console.log(
    seed,
    since(),
    'violations',
    found.violations.length,
    'converge',
    Math.round(found.convergenceMs),
    'changes',
    found.changes,
    found.events,
    found.answers,
  );
  for (const v of found.violations) console.log(JSON.stringify(v, null, 1));
}
await bus.stop();
