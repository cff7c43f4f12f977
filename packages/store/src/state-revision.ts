/** Which revision the store can answer for. */
import { LAYERS, type Layer } from '@signalbox/contracts';
import { streamPosition } from './positions.ts';
import { historyHorizon } from './settings.ts';
import type { Store } from './store.ts';

export interface StateRevision {
  /** Highest revision that every layer has derived and that the store holds whole; undefined when there is none yet. */
  readonly revision: number | undefined;
  /** Oldest revision that can be asked for. */
  readonly horizon: number;
  /** Newest object stored: what the layers are deriving now. */
  readonly head: number;
  readonly layers: Readonly<Record<Layer, number | undefined>>;
  /** For people: why `revision` is undefined; else empty. */
  readonly missing: readonly string[];
}

export function stateRevision(store: Store): StateRevision {
  const position = streamPosition(store, 'objects');
  const rows = store.all(store.builder.selectFrom('watermarks').select(['layer', 'revision']));
  const found = new Map(rows.map((row) => [row.layer, row.revision]));
  const layers = { proxy: found.get('proxy'), dns: found.get('dns'), lb: found.get('lb') };
  const horizon = historyHorizon(store);
  const derived = Math.min(position ?? 0, ...LAYERS.map((layer) => layers[layer] ?? 0));
  const missing = whatIsMissing({ position, layers, horizon, derived });
  const revision = missing.length === 0 ? derived : undefined;
  return { revision, horizon, head: position ?? 0, layers, missing };
}

function whatIsMissing(state: {
  position: number | undefined;
  layers: StateRevision['layers'];
  horizon: number;
  derived: number;
}): string[] {
  if (state.position === undefined) return ['the objects in the event log have not been read to the end yet'];
  const silent = LAYERS.filter((layer) => state.layers[layer] === undefined);
  if (silent.length > 0) return silent.map((layer) => `the ${layer} layer has not derived anything yet`);
  if (state.derived >= state.horizon) return [];
  return LAYERS.filter((layer) => (state.layers[layer] ?? 0) < state.horizon).map(
    (layer) => `the ${layer} layer is at revision ${state.layers[layer]}, what is kept starts at ${state.horizon}`,
  );
}
