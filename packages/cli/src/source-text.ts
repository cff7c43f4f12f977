import type { Cluster } from '@signalbox/contracts';

/** What is not simply being watched, and why: one text for each kind, none while all is well. */
export function sourceTexts({ kinds }: Cluster): string[] {
  const troubled = kinds.filter(({ state, message }) => state !== 'watching' || message !== '');
  return troubled.map(({ kind, state, message }) => `${kind} ${state}${message === '' ? '' : `: ${message}`}`);
}
