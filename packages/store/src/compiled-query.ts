/** Queries that run often: built and compiled by Kysely once for a store, then only given their parameters. */
import type { Compilable, Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import type { Store } from './store.ts';

type Value = string | number;
type Build<Parameters extends readonly Value[], Row> = (
  builder: Kysely<Schema>,
  ...parameters: Parameters
) => Compilable<Row>;

/**
 * `build` may only pass its parameters on to the query, never look at them: it is called once, with stand-ins. Returns a
 * function that gives the first row.
 */
export function compiledQuery<Parameters extends readonly Value[], Row>(build: Build<Parameters, Row>) {
  const compiled = new WeakMap<Store, (parameters: Parameters) => Row | undefined>();
  return (store: Store, ...parameters: Parameters): Row | undefined => {
    const known = compiled.get(store);
    if (known !== undefined) return known(parameters);
    const run = compile(store, build);
    compiled.set(store, run);
    return run(parameters);
  };
}

function compile<Parameters extends readonly Value[], Row>(store: Store, build: Build<Parameters, Row>) {
  const standIns = Array.from({ length: build.length - 1 }, (_, index) => `\u0000${index}`);
  const { sql, parameters: places } = build(store.builder, ...(standIns as unknown as Parameters)).compile();
  const order = places.map((place) => standIns.indexOf(String(place)));
  return (parameters: Parameters) => {
    const values = order.map((index, position) => (index < 0 ? places[position] : parameters[index]));
    return store.firstOf(sql, values) as Row | undefined;
  };
}
