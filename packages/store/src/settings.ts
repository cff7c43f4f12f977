/** The single values of a store. */
import { compiledQuery } from './compiled-query.ts';
import type { Schema } from './schema.ts';
import type { Store } from './store.ts';

type Key = Schema['settings']['key'];

/** Oldest revision whose state the store still holds in full. */
export function historyHorizon(store: Store): number {
  return Number(read(store, 'horizon') ?? 0);
}

/** Only ever rises, until `clearStore`. */
export function raiseHistoryHorizon(store: Store, revision: number): void {
  if (revision > historyHorizon(store)) writeSetting(store, 'horizon', String(revision));
}

/** All registrations up to this revision have been decided on; undefined before anything was. */
export function targetsRevision(store: Store): number | undefined {
  const value = read(store, 'targets-revision');
  return value === undefined ? undefined : Number(value);
}

/** Changes with each rebuild, so that positions in the change feed of before are told apart. */
export function changeEpoch(store: Store): string | undefined {
  return read(store, 'epoch');
}

export function writeSetting(store: Store, key: Key, value: string): void {
  store.run(
    store.builder
      .insertInto('settings')
      .values({ key, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value })),
  );
}

const setting = compiledQuery((builder, key: Key) =>
  builder.selectFrom('settings').select('value').where('key', '=', key),
);

function read(store: Store, key: Key): string | undefined {
  return setting(store, key)?.value;
}
