/** A shell script that deletes from our tables what the rules just loaded do not have: an earlier run's chains and sets. */
import type { Family } from '../addresses.ts';
import { FAMILY_SYNTAX, TABLE } from './base-table.ts';

/**
 * Whatever an earlier version called its chains, sets and maps: loading has emptied its rules, so nothing leads to them. A
 * definition that changes needs a new name, because a set cannot be redefined. What cannot be deleted yet stays for the next
 * time, see `StaleChains`.
 */
export function sweepNftables(
  families: readonly { readonly family: Family; readonly names: readonly string[] }[],
): string {
  const sweeps = families.flatMap(({ family, names }) => {
    const table = `${FAMILY_SYNTAX[family].ip} ${TABLE}`;
    return [
      `known=' ${names.join(' ')} '`,
      `nft -t list table ${table} | while read -r kind name rest; do`,
      '  case "$kind" in chain | set | map) ;; *) continue ;; esac',
      `  case "$known" in *" $name "*) ;; *) nft "delete $kind ${table} $name" || : ;; esac`,
      'done',
    ];
  });
  return ['#!/bin/sh', 'set -eu', ...sweeps, ''].join('\n');
}
