/** A shell script that deletes from our tables what the rules just loaded do not have: an earlier run's chains and sets. */
import type { Family } from '../addresses.ts';
import { FAMILY_SYNTAX, TABLE } from './base-table.ts';

/**
 * Whatever an earlier version called its chains, sets and maps: loading has emptied its rules, so nothing leads to them. A
 * definition that changes needs a new name, because a set cannot be redefined. What cannot be deleted yet stays for the
 * next time, see `StaleChains`. Lists of chains, sets and maps are quick; `list table` would read all elements.
 */
export function sweepNftables(
  families: readonly { readonly family: Family; readonly names: readonly string[] }[],
): string {
  const sweeps = families.flatMap(({ family, names }) => {
    const { ip } = FAMILY_SYNTAX[family];
    return [
      `known=' ${names.join(' ')} '`,
      `for kinds in chains sets maps; do nft -t list "$kinds" ${ip}; done | while read -r kind name rest; do`,
      '  case "$kind" in',
      // A line is "table ip signalbox {" or "chain NAME {".
      '    table) table="$rest"; continue ;;',
      '    chain | set | map) ;;',
      '    *) continue ;;',
      '  esac',
      `  [ "$table" = '${TABLE} {' ] || continue`,
      `  case "$known" in *" $name "*) ;; *) nft "delete $kind ${ip} ${TABLE} $name" || : ;; esac`,
      'done',
    ];
  });
  return ['#!/bin/sh', 'set -eu', ...sweeps, ''].join('\n');
}
