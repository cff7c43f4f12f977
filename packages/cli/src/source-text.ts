import type { Cluster } from '@signalbox/contracts';

/** What is not simply being watched, and why: one text for all kinds that share it, none while all is well. */
export function sourceTexts({ kinds }: Cluster): string[] {
  const byTrouble = new Map<string, string[]>();
  for (const { kind, state, message } of kinds) {
    if (state === 'watching' && message === '') continue;
    const trouble = message === '' ? state : `${state}: ${message}`;
    byTrouble.set(trouble, [...(byTrouble.get(trouble) ?? []), kind]);
  }
  return [...byTrouble].map(
    ([trouble, names]) => `${kinds.length > 1 && names.length === kinds.length ? 'all' : names.join(', ')} ${trouble}`,
  );
}
