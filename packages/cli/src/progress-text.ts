/** How far layers and their consumers have come, for people: what `signalbox wait` and `signalbox status` share. */
import type { ConsumerBehind, Layer, LayerProgress } from '@signalbox/contracts';
import { type Column, printable } from './table.ts';

/** One for each layer: `proxy 11/12 applied`, `dns derived (no consumers)`, `lb not derived (at 41)`. */
export function progressTexts(layers: readonly LayerProgress[]): string[] {
  return layers.map((progress) => `${progress.layer} ${layerText(progress)}`);
}

function layerText({ isDerived, revision, consumers: { applied, total } }: LayerProgress): string {
  if (!isDerived) return `not derived (at ${revision})`;
  return total === 0 ? 'derived (no consumers)' : `${applied}/${total} applied`;
}

export interface LayerConsumer extends ConsumerBehind {
  readonly layer: Layer;
}

/** Those listed, of all layers. */
export function consumersBehind(layers: readonly LayerProgress[]): LayerConsumer[] {
  return layers.flatMap(({ layer, behind }) => behind.map((consumer) => ({ layer, ...consumer })));
}

export const BEHIND_COLUMNS: readonly Column<LayerConsumer>[] = [
  { title: 'layer', value: ({ layer }) => layer },
  { title: 'cluster', value: ({ cluster }) => shortened(cluster, 16) },
  { title: 'consumer', value: ({ consumer }) => shortened(consumer, 22) },
  { title: 'revision', value: ({ revision }) => revision },
  { title: 'behind', value: ({ behindBy }) => behindBy },
  { title: 'why', value: ({ error }) => error || 'lags' },
];

/** For columns that are not the last: the end of a name tells more than its middle. */
export function shortened(text: string, length: number): string {
  const shown = printable(text);
  if (shown.length <= length) return shown;
  const tail = Math.floor((length - 1) / 2);
  return `${shown.slice(0, length - 1 - tail)}…${shown.slice(-tail)}`;
}
