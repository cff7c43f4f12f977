/** What the kernel does, against what it should do. Pure. */
import type { ProxyPlan } from '@signalbox/contracts';
import {
  compareStates,
  expectedStates,
  type KernelOwner,
  type KernelState,
  mergeComparisons,
  type RenderOptions,
  type StateComparison,
} from '@signalbox/rules';

export type KernelComparison = StateComparison & { readonly unreadable: number };

/** What is to be in the kernel. */
export interface WantedRules {
  readonly plans: readonly ProxyPlan[];
  readonly options: RenderOptions;
}

/** Reads the kernel and compares. Rejects when it cannot be read, and when the signal aborts. */
export type CompareKernel = (wanted: WantedRules, signal: AbortSignal) => Promise<KernelComparison>;

export function compareKernelStates(
  actual: readonly KernelState[],
  { plans, options }: WantedRules,
  owner: KernelOwner,
): KernelComparison {
  const comparisons = expectedStates(plans, options).flatMap((state) => {
    const found = actual.find(({ family }) => family === state.family);
    return found === undefined ? [] : [compareStates(state, found, { hasOurLayout: owner === 'signalbox' })];
  });
  const unreadable = actual.reduce((sum, state) => sum + state.unreadable, 0);
  return { ...mergeComparisons(comparisons), unreadable };
}
