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
import type { Family } from '../addresses.ts';
import type { RenderContext } from '../render-context.ts';
import type { ServiceRules } from '../service-rules.ts';
import { addBaseTable, FAMILY_SYNTAX, TABLE } from './base-table.ts';
import { COUNTED_CONTAINERS, elementText, nftablesParts } from './nftables-parts.ts';
import { TableBuilder } from './table-builder.ts';

export interface FamilyRules {
  readonly family: Family;
  readonly services: readonly ServiceRules[];
}

export function renderNftables(families: readonly FamilyRules[], context: RenderContext): string {
  return families.map((rules) => renderTable(rules, context).toText()).join('\n');
}

/** A table before it is written, for those who need the names in it as well. */
export function renderTable({ family, services }: FamilyRules, context: RenderContext): TableBuilder {
  const syntax = FAMILY_SYNTAX[family];
  const table = new TableBuilder(`${syntax.ip} ${TABLE}`);
  addBaseTable(table, syntax, context);
  const counted = new Set<string>();
  for (const rules of services) {
    const { entries, chains } = nftablesParts(rules, family, context);
    for (const chain of chains.values()) table.addChain(chain.name, chain.rules, chain.definition);
    for (const entry of entries) {
      const text = elementText(entry);
      if (COUNTED_CONTAINERS.has(entry.container)) {
        const known = `${entry.container} ${text}`;
        if (counted.has(known)) continue;
        counted.add(known);
      }
      table.addElement(entry.container, text);
    }
  }
  return table;
}
