/**
 * What an IPVS script does to what is there already: as awk programs that read the present state, a line of dashes, and the
 * wanted state, and print commands. What is equal is not touched and additions go before removals, so that loading rules
 * neither ends a connection nor leaves a moment without its service. POSIX awk only; no single quotes.
 */
import type { Family } from '../addresses.ts';

export const SEPARATOR = '--';

/** Addresses with prefix lengths, and `addr add` lines → lines for `ip -batch`. */
export function addressChanges(device: string): string {
  return `
$0 == "${SEPARATOR}" { isWanted = 1; next }
!isWanted { have[$1]; next }
{ want[$3]; if (!($3 in have)) print }
END { for (address in have) if (!(address in want)) print "addr del " address " dev ${device}" }
`;
}

/**
 * Reads what `ipvsadm --list --numeric` shows up to the separator: the options of each virtual server, and of each real one its
 * weight and its count of open connections. Servers by firewall mark and those of the other family are not seen.
 */
function readServers(family: Family): string {
  const address = family === 'IPv4' ? '/^[0-9.]+:[0-9]+$/' : '/^\\[[0-9a-f:.]+\\]:[0-9]+$/';
  return `
$0 == "${SEPARATOR}" { isWanted = 1; next }
!isWanted && $1 != "->" {
  server = ""
  if ($1 !~ /^(TCP|UDP|SCTP)$/ || $2 !~ ${address}) next
  server = ($1 == "TCP" ? "-t" : $1 == "UDP" ? "-u" : "--sctp-service") " " $2
  options[server] = "-s " $3 ($4 == "persistent" ? " -p " $5 : "")
  next
}
!isWanted {
  if (server == "") next
  real = server " -r " $2
  serverOf[real] = server; weight[real] = $4; connections[real] = $5
  next
}`;
}

/**
 * What is there, and all `-A` and `-a` lines that are wanted → lines for `ipvsadm --restore`. A real server that goes away
 * while TCP or SCTP connections to it are open gets no new ones (weight 0), and is removed by a later load, as kube-proxy's
 * graceful termination does.
 */
export function serverChanges(family: Family): string {
  return `${readServers(family)}
$1 == "-A" {
  server = $2 " " $3
  want[server]
  wanted = substr($0, length(server) + 5)
  if (!(server in options)) print
  else if (options[server] != wanted) print "-E " server " " wanted
  next
}
{
  real = $2 " " $3 " -r " $5
  want[real]
  if (!(real in weight)) print
  else if (weight[real] != $NF) { sub(/^-a/, "-e"); print }
}
END {
  for (real in weight) {
    if (real in want || !(serverOf[real] in want)) continue
    if (real ~ /^-u/ || connections[real] == 0) print "-d " real
    else if (weight[real] != 0) print "-e " real " -m -w 0"
  }
  for (server in options) if (!(server in want)) print "-D " server
}
`;
}

/** What is there, and lines that change some of it → the same lines, but for real servers that are let go or come back in peace. */
export function serverUpdates(family: Family): string {
  return `${readServers(family)}
{ real = $2 " " $3 " -r " $5 }
$1 == "-a" && real in weight { sub(/^-a/, "-e") }
$1 == "-d" && real !~ /^-u/ && connections[real] > 0 { $0 = "-e " real " -m -w 0" }
{ print }
`;
}
