/**
 * One comparison in a thread of its own: reading what a large table is listed as is seconds of work, in which the agent has
 * changes to apply and probes to answer. Plans come as JSON in several messages; the answer is the last message.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText, type ProxyPlan } from '@signalbox/contracts';
import type { KernelOwner, KernelState, RenderOptions } from '@signalbox/rules';
import { compareKernelStates, type KernelComparison } from './kernel-comparison.ts';
import { type KernelListing, readListing } from './read-kernel.ts';

export interface ComparisonTask {
  readonly options: RenderOptions;
  readonly owner: KernelOwner;
  readonly listings: readonly KernelListing[];
}

export type ComparisonAnswer = { readonly comparison: KernelComparison } | { readonly error: string };

/** Text: some plans, as a JSON array. Null: those were all. */
export type PlansMessage = string | null;

const { options, owner, listings } = workerData as ComparisonTask;
const plans: ProxyPlan[] = [];

try {
  // Before the plans come: by then, what reading needs of memory is free again.
  const actual = listings.map((listing) => readListing(listing, options, owner));
  parentPort?.on('message', (message: PlansMessage) => note(message, actual));
} catch (error) {
  answer({ error: errorText(error) });
}

function note(message: PlansMessage, actual: readonly KernelState[]): void {
  if (message === null) answer({ comparison: compareKernelStates(actual, { plans, options }, owner) });
  else plans.push(...(JSON.parse(message) as ProxyPlan[]));
}

function answer(result: ComparisonAnswer): void {
  parentPort?.postMessage(result, []);
  parentPort?.close();
}
