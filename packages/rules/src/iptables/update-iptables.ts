/** What changed in one family → text for `iptables-restore --noflush` that changes it. */
import type { PartsDelta, ServiceChain, SharedEntry } from '../kernel-parts.ts';
import { type TableName, tableAndChain } from './restore-text.ts';

/**
 * Each table is one transaction. Rules of shared chains go in on top, because the last rule of KUBE-SERVICES must stay
 * the last; a service's own chains are written anew. Empty for no change.
 */
export function updateIptables(delta: PartsDelta): string {
  return (['filter', 'nat'] as const).map((table) => tableText(table, delta)).join('');
}

function tableText(table: TableName, delta: PartsDelta): string {
  const isHere = (name: string): boolean => tableAndChain(name)[0] === table;
  const chainsOf = (chains: readonly ServiceChain[]): Chain[] =>
    chains.filter(({ name }) => isHere(name)).map(({ name, rules }) => ({ name: tableAndChain(name)[1], rules }));
  const rulesOf = (entries: readonly SharedEntry[]): string[] =>
    entries
      .filter(({ container }) => isHere(container))
      .map(({ container, key }) => `${tableAndChain(container)[1]} ${key}`);
  const written = [...chainsOf(delta.newChains), ...chainsOf(delta.changedChains)];
  const removed = chainsOf(delta.removedChains);
  const lines = [
    // Declaring a chain makes it, or empties it.
    ...[...written, ...removed].map(({ name }) => `:${name} - [0:0]`),
    ...written.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`)),
    ...rulesOf(delta.addedEntries).map((rule) => `-I ${rule}`),
    ...rulesOf(delta.removedEntries).map((rule) => `-D ${rule}`),
    ...removed.map(({ name }) => `-X ${name}`),
  ];
  return lines.length === 0 ? '' : `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
}

interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}
