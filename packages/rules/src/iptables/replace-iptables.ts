/** All rules of one family → a shell script that puts them in place of whatever an earlier run, or kube-proxy, left. */
import type { Family } from '../addresses.ts';
import { LOCALNET_CHAIN } from './base-chains.ts';

const DELIMITER = 'SIGNALBOX_END';
const MARKER = 'SIGNALBOX_WANTED';

/**
 * `iptables-restore` cannot say "if it is there", so the rules are put together with what `iptables-save` lists: chains
 * of services that are gone are emptied and deleted, and jumps that are there are removed before they are put on top
 * again, in the last transaction of each table: new chains first, then what leads to them, old chains last.
 */
export function replaceIptables(family: Family, wanted: string): string {
  const program = family === 'IPv4' ? 'iptables' : 'ip6tables';
  return [
    '#!/bin/sh',
    'set -eu',
    // Legacy iptables writes the whole table with each transaction, and has no trouble with large ones.
    `case "$(${program}-restore --version)" in *legacy*) join=1 ;; *) join=0 ;; esac`,
    '{',
    `${program}-save -t filter`,
    `${program}-save -t nat`,
    `cat <<'${DELIMITER}'`,
    MARKER,
    wanted.trimEnd(),
    DELIMITER,
    `} | awk -v join="$join" '${awkProgram(jumpTargetsOf(wanted))}' | ${program}-restore --noflush`,
    // After the rule that makes it harmless. Where it cannot be set, only node ports on 127.0.0.1 are missing.
    ...(wanted.includes(`:${LOCALNET_CHAIN} `) ? ['sysctl -qw net.ipv4.conf.all.route_localnet=1 || :'] : []),
    '',
  ].join('\n');
}

function jumpTargetsOf(wanted: string): string[] {
  return [...new Set([...wanted.matchAll(/^-I .*-j (\S+)$/gm)].map(([, chain = '']) => chain))];
}

/**
 * Of chains, only those that are named for a service are deleted: others of kube-proxy and the kubelet are shared. The
 * last transaction of nat is the one after the filter. With `join`, transactions of one table that follow each other are one.
 */
function awkProgram(jumpTargets: readonly string[]): string {
  return String.raw`
$0 == "${MARKER}" { wanted = 1; table = ""; next }
/^\*/ { last = table; table = substr($0, 2) }
!wanted && /^:KUBE-((SVC|SVL|SEP|EXT|FW)-[A-Z2-7]+|MARK-REMOTE) / {
  chain = substr($1, 2); count[table]++; old[table, count[table]] = chain; next
}
!wanted && /^-A [A-Z]+ (.* )?-j (${jumpTargets.join('|')})$/ { sub(/^-A/, "-D"); jumps[table] = jumps[table] $0 "\n"; next }
!wanted || /^COMMIT/ { next }
/^\*/ {
  if (join && table == last) next
  if (last != "") commit()
  print
  if (table == "filter") hasFilter = 1
  for (i = 1; hasFilter && i <= count[table]; i++) {
    chain = old[table, i]
    if ((table, chain) in declared) continue
    print ":" chain " - [0:0]"; gone[++goneCount] = chain
  }
  next
}
/^:/ { declared[table, substr($1, 2)] = 1 }
/^-/ && hasFilter && jumps[table] != "" { printf "%s", jumps[table]; jumps[table] = "" }
{ print }
END { commit() }
function commit() { for (i = 1; i <= goneCount; i++) print "-X " gone[i]; goneCount = 0; print "COMMIT" }
`.trim();
}
