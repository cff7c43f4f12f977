/** A place in the order of every list of objects and documents: what the last page ended with. */
import { type RawBuilder, type SqlBool, sql } from 'kysely';

export interface Place {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

/** Before everything. */
export const START: Place = { cluster: '', namespace: '', name: '' };

/**
 * What comes after the place. SQLite seeks to a row value only when the row value begins where the equalities of the
 * filter end; else it would read every page again from the start.
 */
export function isAfter(
  place: Place,
  filter: { readonly cluster?: string | undefined; readonly namespace?: string | undefined },
): RawBuilder<SqlBool> {
  const { cluster, namespace, name } = place;
  if (filter.cluster === undefined) return sql`(cluster, namespace, name) > (${cluster}, ${namespace}, ${name})`;
  if (filter.namespace === undefined) return sql`(namespace, name) > (${namespace}, ${name})`;
  return sql`name > ${name}`;
}
