/**
 * One comparison in a thread of its own: reading a large table back is seconds of work, in which the agent has changes to
 * apply and probes to answer. Plans come as JSON in several messages, then the task; the answer is the last message.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText, type ProxyPlan } from '@signalbox/contracts';
import type { KernelOwner, RenderOptions } from '@signalbox/rules';
import { programRunner } from '../kernel/run-program.ts';
import { compareKernelStates, type KernelComparison } from './kernel-comparison.ts';
import { kernelReader } from './read-kernel.ts';

export interface ComparisonTask {
  readonly options: RenderOptions;
  readonly owner: KernelOwner;
  readonly commandPrefix: readonly string[];
}

export type ComparisonAnswer = { readonly comparison: KernelComparison } | { readonly error: string };

/** Text: some plans, as a JSON array. Null: those were all. */
export type PlansMessage = string | null;

const plans: ProxyPlan[] = [];

parentPort?.on('message', (message: PlansMessage) => {
  if (message !== null) plans.push(...(JSON.parse(message) as ProxyPlan[]));
  else
    compare(workerData as ComparisonTask).then(
      (comparison) => answer({ comparison }),
      (error: unknown) => answer({ error: errorText(error) }),
    );
});

async function compare({ options, owner, commandPrefix }: ComparisonTask): Promise<KernelComparison> {
  const actual = await kernelReader(programRunner(commandPrefix), owner)(options);
  return compareKernelStates(actual, { plans, options }, owner);
}

function answer(result: ComparisonAnswer): void {
  parentPort?.postMessage(result, []);
  parentPort?.close();
}
