/** All rules of one family → a shell script that puts them in place of whatever an earlier run, or kube-proxy, left. */
import type { Family } from '../addresses.ts';
import { LOCALNET_CHAIN } from './base-chains.ts';

const DELIMITER = 'SIGNALBOX_END';
const MARKER = 'SIGNALBOX_WANTED';

/**
 * `iptables-restore` cannot say "if it is there", so the rules are put together with what `iptables-save` lists: chains
 * of services that are gone are emptied and deleted, and jumps that are there are removed before they are put on top
 * again. Still one transaction per table.
 */
export function replaceIptables(family: Family, wanted: string): string {
  const program = family === 'IPv4' ? 'iptables' : 'ip6tables';
  return [
    '#!/bin/sh',
    'set -eu',
    '{',
    `${program}-save -t filter`,
    `${program}-save -t nat`,
    `cat <<'${DELIMITER}'`,
    MARKER,
    wanted.trimEnd(),
    DELIMITER,
    `} | awk '${awkProgram(jumpTargetsOf(wanted))}' | ${program}-restore --noflush`,
    // After the rule that makes it harmless. Where it cannot be set, only node ports on 127.0.0.1 are missing.
    ...(wanted.includes(`:${LOCALNET_CHAIN} `) ? ['sysctl -qw net.ipv4.conf.all.route_localnet=1 || :'] : []),
    '',
  ].join('\n');
}

function jumpTargetsOf(wanted: string): string[] {
  return [...new Set([...wanted.matchAll(/^-I .*-j (\S+)$/gm)].map(([, chain = '']) => chain))];
}

/** Of chains, only those that are named for a service are deleted: others of kube-proxy and the kubelet are shared. */
function awkProgram(jumpTargets: readonly string[]): string {
  return String.raw`
$0 == "${MARKER}" { wanted = 1; next }
/^\*/ { table = substr($0, 2) }
!wanted && /^:KUBE-((SVC|SVL|SEP|EXT|FW)-[A-Z2-7]+|MARK-REMOTE) / {
  chain = substr($1, 2); count[table]++; old[table, count[table]] = chain; next
}
!wanted && /^-A [A-Z]+ (.* )?-j (${jumpTargets.join('|')})$/ { sub(/^-A/, "-D"); jumps[table] = jumps[table] $0 "\n"; next }
!wanted { next }
/^\*/ { print; for (i = 1; i <= count[table]; i++) print ":" old[table, i] " - [0:0]"; next }
/^:/ { declared[table, substr($1, 2)] = 1 }
/^-/ && jumps[table] != "" { printf "%s", jumps[table]; jumps[table] = "" }
/^COMMIT/ { for (i = 1; i <= count[table]; i++) if (!((table, old[table, i]) in declared)) print "-X " old[table, i] }
{ print }
`.trim();
}
