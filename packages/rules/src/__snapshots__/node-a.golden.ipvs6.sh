#!/bin/sh
# Signalbox, IPv6, IPVS: run as root. Replaces all IPv6 virtual servers of this network namespace.
set -eu
modprobe ip_vs 2>/dev/null || :
sysctl -qw net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv4.vs.conntrack=1
sysctl -qw net.ipv4.vs.expire_nodest_conn=1
sysctl -qw net.ipv4.vs.expire_quiescent_template=1
ip link show kube-ipvs0 >/dev/null 2>&1 || ip link add kube-ipvs0 type dummy
ip link set kube-ipvs0 up
ip -6 addr flush dev kube-ipvs0
ip -batch - <<'SIGNALBOX_END'
addr add fd00:96::22/128 dev kube-ipvs0 nodad
addr add fd00:96::32/128 dev kube-ipvs0 nodad
addr add fd00:96::23/128 dev kube-ipvs0 nodad
SIGNALBOX_END
ipset -exist restore <<'SIGNALBOX_END'
create KUBE-6-CLUSTER-IP hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-CLUSTER-IP
add KUBE-6-CLUSTER-IP fd00:96::22,tcp:80
add KUBE-6-CLUSTER-IP fd00:96::23,tcp:80
add KUBE-6-CLUSTER-IP fd00:96::32,tcp:80
create KUBE-6-EXTERNAL-IP hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-EXTERNAL-IP
create KUBE-6-EXTERNAL-IP-LOCAL hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-EXTERNAL-IP-LOCAL
create KUBE-6-LOAD-BALANCER hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER
create KUBE-6-LOAD-BALANCER-LOCAL hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-LOCAL
create KUBE-6-LOAD-BALANCER-FW hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-FW
create KUBE-6-LOAD-BALANCER-SOURCE-CID hash:ip,port,net family inet6 maxelem 1048576
flush KUBE-6-LOAD-BALANCER-SOURCE-CID
create KUBE-6-NODE-PORT hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-NODE-PORT
add KUBE-6-NODE-PORT fd00:240::1,tcp:30094
create KUBE-6-NODE-PORT-LOCAL hash:ip,port family inet6 maxelem 1048576
flush KUBE-6-NODE-PORT-LOCAL
create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6 maxelem 1048576
flush KUBE-6-LOOP-BACK
add KUBE-6-LOOP-BACK fd00:244:1::b,tcp:8080,fd00:244:1::b
add KUBE-6-LOOP-BACK fd00:244:2::b,tcp:8080,fd00:244:2::b
add KUBE-6-LOOP-BACK fd00:244:3::b,tcp:8080,fd00:244:3::b
create KUBE-6-IPVS-IPS hash:ip family inet6 maxelem 1048576
flush KUBE-6-IPVS-IPS
add KUBE-6-IPVS-IPS fd00:96::22
add KUBE-6-IPVS-IPS fd00:96::23
add KUBE-6-IPVS-IPS fd00:96::32
SIGNALBOX_END
ip6tables-restore --noflush <<'SIGNALBOX_END'
*filter
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
-I INPUT -j KUBE-IPVS-FILTER
-I INPUT -j KUBE-PROXY-FIREWALL
-I FORWARD -j KUBE-PROXY-FIREWALL
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
-I PREROUTING -j KUBE-SERVICES
-I OUTPUT -j KUBE-SERVICES
-I POSTROUTING -j KUBE-POSTROUTING
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
ipvsadm --save --numeric | sed -n 's/^-A \(-[a-z-]*\) \(\[[0-9a-f:.]*\]:[0-9]*\) .*/-D \1 \2/p' | ipvsadm --restore
ipvsadm --restore <<'SIGNALBOX_END'
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
