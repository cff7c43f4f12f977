/** `npm run test:chaos`: many seeds of the fault test, one after the other, and the numbers of all of them. */
import { delimiter, resolve } from 'node:path';
import { errorText } from '@signalbox/contracts';
import { startNatsCluster } from '../harness/nats-cluster.ts';
import { natsServerMissing } from '../harness/nats-server.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { seedLine, summary } from './report.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { isRoot } from './world.ts';

// What was started ends with this process, which has to end in good order for that.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(errorText(error));
    return 2;
  }
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  if (options.nats !== undefined) process.env.PATH = `${resolve(options.nats)}${delimiter}${process.env.PATH ?? ''}`;
  const missing = natsServerMissing();
  if (missing !== undefined) throw new Error(missing);
  if (!isRoot) console.log('without root: no node agent, and no disk that can be filled');
  const results = await runSeeds(options);
  console.log(`\n${summary(results)}`);
  return results.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

async function runSeeds({ seeds, minutes, faults, isQuiet }: Options): Promise<SeedResult[]> {
  const deadlineMs = performance.now() + minutes * 60_000;
  const results: SeedResult[] = [];
  let bus = await startNatsCluster('', { hasNetwork: true });
  for (const seed of seeds) {
    if (performance.now() > deadlineMs) break;
    const startedMs = performance.now();
    const say = (text: string): void => {
      if (!isQuiet) console.log(`  ${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} ${text}`);
    };
    const result = await runSeed(bus, { seed, faults, say });
    results.push(result);
    console.log(seedLine(result));
    if (result.violations.length === 0) continue;
    // What a failed seed has left behind is not the next one's business.
    await bus.stop();
    bus = await startNatsCluster('', { hasNetwork: true });
  }
  await bus.stop();
  return results;
}
