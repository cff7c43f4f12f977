#!/bin/sh
# Signalbox, IPv6, IPVS: run as root. Makes the IPv6 virtual servers of this network namespace those below.
set -eu
modprobe ip_vs 2>/dev/null || :
sysctl -qw net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv4.vs.conntrack=1
sysctl -qw net.ipv4.vs.expire_nodest_conn=1
sysctl -qw net.ipv4.vs.expire_quiescent_template=1
ip link show kube-ipvs0 >/dev/null 2>&1 || ip link add kube-ipvs0 type dummy
ip link set kube-ipvs0 up
ipset -exist restore <<'SIGNALBOX_END'
create KUBE-6-CLUSTER-IP hash:ip,port family inet6 maxelem 1048576
create KUBE-6-CLUSTER-IP-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-CLUSTER-IP-NEXT
add KUBE-6-CLUSTER-IP-NEXT fd00:96::22,tcp:80
add KUBE-6-CLUSTER-IP-NEXT fd00:96::23,tcp:80
add KUBE-6-CLUSTER-IP-NEXT fd00:96::32,tcp:80
swap KUBE-6-CLUSTER-IP-NEXT KUBE-6-CLUSTER-IP
destroy KUBE-6-CLUSTER-IP-NEXT
create KUBE-6-EXTERNAL-IP hash:ip,port family inet6 maxelem 1048576
create KUBE-6-EXTERNAL-IP-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-EXTERNAL-IP-NEXT
swap KUBE-6-EXTERNAL-IP-NEXT KUBE-6-EXTERNAL-IP
destroy KUBE-6-EXTERNAL-IP-NEXT
create KUBE-6-EXTERNAL-IP-LOCAL hash:ip,port family inet6 maxelem 1048576
create KUBE-6-EXTERNAL-IP-LOCAL-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-EXTERNAL-IP-LOCAL-NEXT
swap KUBE-6-EXTERNAL-IP-LOCAL-NEXT KUBE-6-EXTERNAL-IP-LOCAL
destroy KUBE-6-EXTERNAL-IP-LOCAL-NEXT
create KUBE-6-LOAD-BALANCER hash:ip,port family inet6 maxelem 1048576
create KUBE-6-LOAD-BALANCER-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-NEXT
swap KUBE-6-LOAD-BALANCER-NEXT KUBE-6-LOAD-BALANCER
destroy KUBE-6-LOAD-BALANCER-NEXT
create KUBE-6-LOAD-BALANCER-LOCAL hash:ip,port family inet6 maxelem 1048576
create KUBE-6-LOAD-BALANCER-LOCAL-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-LOCAL-NEXT
swap KUBE-6-LOAD-BALANCER-LOCAL-NEXT KUBE-6-LOAD-BALANCER-LOCAL
destroy KUBE-6-LOAD-BALANCER-LOCAL-NEXT
create KUBE-6-LOAD-BALANCER-FW hash:ip,port family inet6 maxelem 1048576
create KUBE-6-LOAD-BALANCER-FW-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-FW-NEXT
swap KUBE-6-LOAD-BALANCER-FW-NEXT KUBE-6-LOAD-BALANCER-FW
destroy KUBE-6-LOAD-BALANCER-FW-NEXT
create KUBE-6-LOAD-BALANCER-SOURCE-CID hash:ip,port,net family inet6 maxelem 1048576
create KUBE-6-LOAD-BALANCER-SOURC-NEXT hash:ip,port,net family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-SOURC-NEXT
swap KUBE-6-LOAD-BALANCER-SOURC-NEXT KUBE-6-LOAD-BALANCER-SOURCE-CID
destroy KUBE-6-LOAD-BALANCER-SOURC-NEXT
create KUBE-6-NODE-PORT hash:ip,port family inet6 maxelem 1048576
create KUBE-6-NODE-PORT-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-NODE-PORT-NEXT
add KUBE-6-NODE-PORT-NEXT fd00:240::1,tcp:30094
swap KUBE-6-NODE-PORT-NEXT KUBE-6-NODE-PORT
destroy KUBE-6-NODE-PORT-NEXT
create KUBE-6-NODE-PORT-LOCAL hash:ip,port family inet6 maxelem 1048576
create KUBE-6-NODE-PORT-LOCAL-NEXT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-NODE-PORT-LOCAL-NEXT
swap KUBE-6-NODE-PORT-LOCAL-NEXT KUBE-6-NODE-PORT-LOCAL
destroy KUBE-6-NODE-PORT-LOCAL-NEXT
create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6 maxelem 1048576
create KUBE-6-LOOP-BACK-NEXT hash:ip,port,ip family inet6 maxelem 1048576
flush KUBE-6-LOOP-BACK-NEXT
add KUBE-6-LOOP-BACK-NEXT fd00:244:1::b,tcp:8080,fd00:244:1::b
add KUBE-6-LOOP-BACK-NEXT fd00:244:2::b,tcp:8080,fd00:244:2::b
add KUBE-6-LOOP-BACK-NEXT fd00:244:3::b,tcp:8080,fd00:244:3::b
swap KUBE-6-LOOP-BACK-NEXT KUBE-6-LOOP-BACK
destroy KUBE-6-LOOP-BACK-NEXT
create KUBE-6-IPVS-IPS hash:ip family inet6 maxelem 1048576
create KUBE-6-IPVS-IPS-NEXT hash:ip family inet6 maxelem 1048576
flush KUBE-6-IPVS-IPS-NEXT
add KUBE-6-IPVS-IPS-NEXT fd00:96::22
add KUBE-6-IPVS-IPS-NEXT fd00:96::23
add KUBE-6-IPVS-IPS-NEXT fd00:96::32
swap KUBE-6-IPVS-IPS-NEXT KUBE-6-IPVS-IPS
destroy KUBE-6-IPVS-IPS-NEXT
SIGNALBOX_END
ip6tables-restore --noflush <<'SIGNALBOX_END'
*filter
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-6-LOAD-BALANCER-SOURCE-CID dst,dst,src -j RETURN
-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-6-LOAD-BALANCER-FW dst,dst -j DROP
-A KUBE-IPVS-FILTER -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-6-EXTERNAL-IP-LOCAL dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-6-IPVS-IPS dst -j REJECT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A KUBE-SERVICES -m set --match-set KUBE-6-LOAD-BALANCER-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-6-EXTERNAL-IP-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-6-NODE-PORT-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-6-NODE-PORT dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -s fd00:244::/32 -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m set --match-set KUBE-6-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
COMMIT
SIGNALBOX_END
ip6tables -w -t filter -C INPUT -j KUBE-IPVS-FILTER 2>/dev/null || ip6tables -w -t filter -I INPUT -j KUBE-IPVS-FILTER
ip6tables -w -t filter -C INPUT -j KUBE-PROXY-FIREWALL 2>/dev/null || ip6tables -w -t filter -I INPUT -j KUBE-PROXY-FIREWALL
ip6tables -w -t filter -C FORWARD -j KUBE-PROXY-FIREWALL 2>/dev/null || ip6tables -w -t filter -I FORWARD -j KUBE-PROXY-FIREWALL
ip6tables -w -t nat -C PREROUTING -j KUBE-SERVICES 2>/dev/null || ip6tables -w -t nat -I PREROUTING -j KUBE-SERVICES
ip6tables -w -t nat -C OUTPUT -j KUBE-SERVICES 2>/dev/null || ip6tables -w -t nat -I OUTPUT -j KUBE-SERVICES
ip6tables -w -t nat -C POSTROUTING -j KUBE-POSTROUTING 2>/dev/null || ip6tables -w -t nat -I POSTROUTING -j KUBE-POSTROUTING
{ ipvsadm --list --numeric; echo '--'; cat; } <<'SIGNALBOX_END' | awk '
$0 == "--" { isWanted = 1; next }
!isWanted && $1 != "->" {
  server = ""
  if ($1 !~ /^(TCP|UDP|SCTP)$/ || $2 !~ /^\[[0-9a-f:.]+\]:[0-9]+$/) next
  server = ($1 == "TCP" ? "-t" : $1 == "UDP" ? "-u" : "--sctp-service") " " $2
  options[server] = "-s " $3 ($4 == "persistent" ? " -p " $5 : "")
  next
}
!isWanted {
  if (server == "") next
  real = server " -r " $2
  serverOf[real] = server; weight[real] = $4; connections[real] = $5
  next
}
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
' | ipvsadm --restore
-A -t [fd00:96::22]:80 -s rr
-a -t [fd00:96::22]:80 -r [fd00:244:1::b]:8080 -m -w 1
-a -t [fd00:96::22]:80 -r [fd00:244:2::b]:8080 -m -w 1
-a -t [fd00:96::22]:80 -r [fd00:244:3::b]:8080 -m -w 1
-A -t [fd00:96::32]:80 -s rr
-a -t [fd00:96::32]:80 -r [fd00:244:1::b]:8080 -m -w 1
-a -t [fd00:96::32]:80 -r [fd00:244:2::b]:8080 -m -w 1
-a -t [fd00:96::32]:80 -r [fd00:244:3::b]:8080 -m -w 1
-A -t [fd00:240::1]:30094 -s rr
-a -t [fd00:240::1]:30094 -r [fd00:244:1::b]:8080 -m -w 1
-a -t [fd00:240::1]:30094 -r [fd00:244:2::b]:8080 -m -w 1
-a -t [fd00:240::1]:30094 -r [fd00:244:3::b]:8080 -m -w 1
-A -t [fd00:96::23]:80 -s rr
-a -t [fd00:96::23]:80 -r [fd00:244:1::b]:8080 -m -w 1
-a -t [fd00:96::23]:80 -r [fd00:244:2::b]:8080 -m -w 1
-a -t [fd00:96::23]:80 -r [fd00:244:3::b]:8080 -m -w 1
SIGNALBOX_END
{ ip -o -6 addr show dev kube-ipvs0 scope global | awk '{ print $4 }'; echo '--'; cat; } <<'SIGNALBOX_END' | awk '
$0 == "--" { isWanted = 1; next }
!isWanted { have[$1]; next }
{ want[$3]; if (!($3 in have)) print }
END { for (address in have) if (!(address in want)) print "addr del " address " dev kube-ipvs0" }
' | ip -batch -
addr add fd00:96::22/128 dev kube-ipvs0 nodad
addr add fd00:96::32/128 dev kube-ipvs0 nodad
addr add fd00:96::23/128 dev kube-ipvs0 nodad
SIGNALBOX_END
