/**
 * `npm run test:chaos`: many seeds of the fault test, one after the other. Ends with code 1 when one of them failed, 2 when
 * an option is wrong.
 */
import { Command, InvalidArgumentError } from 'commander';
import { startNatsCluster } from '../harness/nats-cluster.ts';
import { natsServerMissing } from '../harness/nats-server.ts';
import { seedLine, summary } from './report.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { isRoot } from './world.ts';

interface Options {
  readonly seeds: number;
  readonly seed?: number;
  readonly first: number;
  readonly minutes: number;
  readonly faults: number;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  npm run test:chaos                             20 seeds
  npm run test:chaos -- --seeds 100              a hundred, which takes about 40 minutes
  npm run test:chaos -- --seed 7                 seed 7 again: the same faults at the same times, each told
  npm run test:chaos -- --minutes 10 --faults 20 as many seeds as fit in 10 minutes, 20 faults in each`;

const command = new Command('test:chaos')
  .description('Runs the plane as processes under faults, and compares all that it serves with what is true.')
  .option('--seeds <count>', 'how many', positive, 20)
  .option('--first <seed>', 'where to begin', positive, 1)
  .option('--seed <seed>', 'this one only', positive)
  .option('--minutes <count>', 'no further seed begins after these', positive, 24 * 60)
  .option('--faults <count>', 'in each seed', positive, 8)
  .option('--quiet', 'a line for each seed, and nothing of single faults')
  .addHelpText('after', EXAMPLES)
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

const missing = natsServerMissing();
if (missing === undefined) process.exitCode = await main(command.parse().opts<Options>());
else {
  console.error(`cannot run: ${missing}`);
  process.exitCode = 1;
}

async function main(options: Options): Promise<number> {
  if (!isRoot) console.log('without root: no node agent, and no disk that can be filled');
  const { seed, first, seeds, faults } = options;
  const wanted = seed === undefined ? Array.from({ length: seeds }, (_, i) => first + i) : [seed];
  const deadlineMs = performance.now() + options.minutes * 60_000;
  const results: SeedResult[] = [];
  let bus = await startNatsCluster('', { hasNetwork: true });
  for (const each of wanted) {
    if (performance.now() > deadlineMs) break;
    const startedMs = performance.now();
    const say = (text: string): void => {
      if (!options.quiet) console.log(`  ${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} ${text}`);
    };
    const result = await runSeed(bus, { seed: each, faults, say });
    results.push(result);
    console.log(seedLine(result));
    if (result.violations.length === 0) continue;
    // What a failed seed has left behind is not the next one's business.
    await bus.stop();
    bus = await startNatsCluster('', { hasNetwork: true });
  }
  await bus.stop();
  console.log(`\n${summary(results)}`);
  return results.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

function positive(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
}
