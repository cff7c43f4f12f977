import { runSeed } from './run-seed.ts';

const found = await runSeed({ seed: Number(process.argv[2] ?? 1), faults: 6, say: console.log });
console.log(found);
