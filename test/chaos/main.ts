import { runSeed } from './run-seed.ts';

const started = performance.now();
const since = () => ((performance.now() - started) / 1000).toFixed(1);
const found = await runSeed({
  seed: Number(process.argv[2] ?? 1),
  faults: Number(process.argv[3] ?? 8),
  say: (text) => console.log(since(), text),
});
console.log(since(), JSON.stringify({ ...found, faults: [...found.faults] }, null, 1).slice(0, 12000));
