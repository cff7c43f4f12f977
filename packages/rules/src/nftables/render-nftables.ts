/**
 * Service rules → an nftables transaction, for `nft -f`. One table per family, `ip signalbox` and `ip6 signalbox`.
 *
 *     service-ips: address . protocol . port ──► internal-3 ──► endpoints-3 ──► endpoints-tcp:
 *     service-nodeports:    protocol . port ──► nodeport-3 ──► …                address . port . number ──► endpoint
 *
 * There is no chain per service: chains depend only on how many endpoints there are to choose from, and a service is
 * elements of maps that all services share. The cost of a change is then that of its elements. Services with session
 * affinity are the exception: each has a chain that tries its endpoints, but all share one set of known clients.
 */
import type { FamilyParts, SharedEntry } from '../kernel-parts.ts';
import type { RenderContext } from '../render-context.ts';
import { addBaseTable, FAMILY_SYNTAX, TABLE } from './base-table.ts';
import { COUNTED_CONTAINERS, elementText, textsByContainer } from './nftables-parts.ts';
import { TableBuilder } from './table-builder.ts';

export function renderNftables(families: readonly FamilyParts[], context: RenderContext): string {
  return families.map((parts) => renderTable(parts, context).toText()).join('\n');
}

/** A table before it is written, for those who need the names in it as well. */
export function renderTable({ family, parts }: FamilyParts, context: RenderContext): TableBuilder {
  const syntax = FAMILY_SYNTAX[family];
  const table = new TableBuilder(`${syntax.ip} ${TABLE}`);
  addBaseTable(table, syntax, context);
  const counted = new Set<string>();
  for (const { entries, chains } of parts) {
    for (const chain of chains.values()) table.addChain(chain);
    const isNew = ({ container, key }: SharedEntry): boolean => {
      if (!COUNTED_CONTAINERS.has(container)) return true;
      const known = `${container} ${key}`;
      return !counted.has(known) && counted.add(known).has(known);
    };
    for (const [container, texts] of textsByContainer(entries.filter(isNew), elementText)) {
      table.addElements(container, texts);
    }
  }
  return table;
}
