/** Compares the kernel with plans without keeping this thread busy. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ProxyPlan, SignalboxError } from '@signalbox/contracts';
import type { KernelOwner } from '@signalbox/rules';
import { lowerPriority, programRunner } from '../kernel/run-program.ts';
import type { ComparisonAnswer, ComparisonTask, PlansMessage } from './comparison-thread.ts';
import type { CompareKernel, KernelComparison } from './kernel-comparison.ts';
import { listKernel } from './read-kernel.ts';

/** Node runs no TypeScript in a thread: from sources, as in tests, it is the built file. */
const THREAD = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/drift/comparison-thread.js', import.meta.url)
  : new URL('comparison-thread.js', import.meta.url);

/** Most of what it makes lives until its end: a larger young generation would be copied in vain, and is 20 MiB more. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 8 };

/** As JSON some milliseconds of work; in between, other things happen. */
const PLANS_AT_ONCE = 200;

interface ThreadComparerOptions {
  readonly owner: KernelOwner;
  readonly commandPrefix: readonly string[];
}

/**
 * The thread lives as long as the comparison: what it needs of memory is given back. Programs are run from here, where they
 * can be ended at once: nft begins its listing again with each change of the rules, as long as there are changes.
 */
export function threadComparer({ owner, commandPrefix }: ThreadComparerOptions): CompareKernel {
  const run = programRunner(commandPrefix, lowerPriority);
  return async ({ plans, options }, signal) => {
    signal.throwIfAborted();
    const listings = await listKernel((call) => run({ ...call, signal }), options, owner);
    const workerData: ComparisonTask = { options, owner, listings };
    // Flags of this process, such as where tests resolve packages, are not for the thread.
    const thread = new Worker(THREAD, { workerData, execArgv: [], resourceLimits: THREAD_LIMITS });
    const answered = answerOf(thread, signal);
    try {
      await Promise.race([sendPlans(thread, plans), answered]);
      return await answered;
    } finally {
      await thread.terminate();
    }
  };
}

async function answerOf(thread: Worker, signal: AbortSignal): Promise<KernelComparison> {
  const ended = once(thread, 'exit', { signal }).then((): never => {
    throw new SignalboxError('internal', 'the thread that reads the kernel ended without an answer');
  });
  const [answer] = (await Promise.race([once(thread, 'message', { signal }), ended])) as [ComparisonAnswer];
  if ('error' in answer) throw new SignalboxError('unavailable', answer.error);
  return answer.comparison;
}

async function sendPlans(thread: Worker, plans: readonly ProxyPlan[]): Promise<void> {
  const send = (message: PlansMessage): void => thread.postMessage(message, []);
  for (let first = 0; first < plans.length; first += PLANS_AT_ONCE) {
    send(JSON.stringify(plans.slice(first, first + PLANS_AT_ONCE)));
    await nextTurn();
  }
  send(null);
}
