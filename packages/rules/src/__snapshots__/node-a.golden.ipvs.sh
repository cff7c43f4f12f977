#!/bin/sh
# Signalbox, IPv4, IPVS: run as root. Makes the IPv4 virtual servers of this network namespace those below.
set -eu
modprobe ip_vs 2>/dev/null || :
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.ipv4.vs.conntrack=1
sysctl -qw net.ipv4.vs.expire_nodest_conn=1
sysctl -qw net.ipv4.vs.expire_quiescent_template=1
sysctl -qw net.ipv4.conf.all.arp_ignore=1
sysctl -qw net.ipv4.conf.all.arp_announce=2
ip link show kube-ipvs0 >/dev/null 2>&1 || ip link add kube-ipvs0 type dummy
ip link set kube-ipvs0 up
ipset -exist restore <<'SIGNALBOX_END'
create KUBE-CLUSTER-IP hash:ip,port family inet maxelem 1048576
create KUBE-CLUSTER-IP-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-CLUSTER-IP-NEXT
add KUBE-CLUSTER-IP-NEXT 10.96.0.1,tcp:443
add KUBE-CLUSTER-IP-NEXT 10.96.1.1,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.1,tcp:81
add KUBE-CLUSTER-IP-NEXT 10.96.1.10,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.11,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.12,tcp:53
add KUBE-CLUSTER-IP-NEXT 10.96.1.12,udp:53
add KUBE-CLUSTER-IP-NEXT 10.96.1.13,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.14,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.15,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.16,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.17,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.18,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.19,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.2,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.20,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.21,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.22,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.24,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.26,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.27,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.28,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.29,tcp:443
add KUBE-CLUSTER-IP-NEXT 10.96.1.29,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.3,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.30,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.31,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.32,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.33,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.34,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.4,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.5,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.6,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.7,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.8,tcp:80
add KUBE-CLUSTER-IP-NEXT 10.96.1.9,tcp:80
swap KUBE-CLUSTER-IP-NEXT KUBE-CLUSTER-IP
destroy KUBE-CLUSTER-IP-NEXT
create KUBE-EXTERNAL-IP hash:ip,port family inet maxelem 1048576
create KUBE-EXTERNAL-IP-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-EXTERNAL-IP-NEXT
add KUBE-EXTERNAL-IP-NEXT 203.0.113.50,tcp:80
swap KUBE-EXTERNAL-IP-NEXT KUBE-EXTERNAL-IP
destroy KUBE-EXTERNAL-IP-NEXT
create KUBE-EXTERNAL-IP-LOCAL hash:ip,port family inet maxelem 1048576
create KUBE-EXTERNAL-IP-LOCAL-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-EXTERNAL-IP-LOCAL-NEXT
swap KUBE-EXTERNAL-IP-LOCAL-NEXT KUBE-EXTERNAL-IP-LOCAL
destroy KUBE-EXTERNAL-IP-LOCAL-NEXT
create KUBE-LOAD-BALANCER hash:ip,port family inet maxelem 1048576
create KUBE-LOAD-BALANCER-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-LOAD-BALANCER-NEXT
add KUBE-LOAD-BALANCER-NEXT 203.0.113.10,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.11,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.12,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.13,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.14,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.16,tcp:443
add KUBE-LOAD-BALANCER-NEXT 203.0.113.16,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.17,tcp:443
add KUBE-LOAD-BALANCER-NEXT 203.0.113.17,tcp:80
add KUBE-LOAD-BALANCER-NEXT 203.0.113.18,tcp:80
swap KUBE-LOAD-BALANCER-NEXT KUBE-LOAD-BALANCER
destroy KUBE-LOAD-BALANCER-NEXT
create KUBE-LOAD-BALANCER-LOCAL hash:ip,port family inet maxelem 1048576
create KUBE-LOAD-BALANCER-LOCAL-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-LOAD-BALANCER-LOCAL-NEXT
add KUBE-LOAD-BALANCER-LOCAL-NEXT 203.0.113.12,tcp:80
add KUBE-LOAD-BALANCER-LOCAL-NEXT 203.0.113.13,tcp:80
swap KUBE-LOAD-BALANCER-LOCAL-NEXT KUBE-LOAD-BALANCER-LOCAL
destroy KUBE-LOAD-BALANCER-LOCAL-NEXT
create KUBE-LOAD-BALANCER-FW hash:ip,port family inet maxelem 1048576
create KUBE-LOAD-BALANCER-FW-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-LOAD-BALANCER-FW-NEXT
add KUBE-LOAD-BALANCER-FW-NEXT 203.0.113.11,tcp:80
swap KUBE-LOAD-BALANCER-FW-NEXT KUBE-LOAD-BALANCER-FW
destroy KUBE-LOAD-BALANCER-FW-NEXT
create KUBE-LOAD-BALANCER-SOURCE-CID hash:ip,port,net family inet maxelem 1048576
create KUBE-LOAD-BALANCER-SOURCE--NEXT hash:ip,port,net family inet maxelem 1048576
flush KUBE-LOAD-BALANCER-SOURCE--NEXT
add KUBE-LOAD-BALANCER-SOURCE--NEXT 203.0.113.11,tcp:80,192.0.2.0/24
swap KUBE-LOAD-BALANCER-SOURCE--NEXT KUBE-LOAD-BALANCER-SOURCE-CID
destroy KUBE-LOAD-BALANCER-SOURCE--NEXT
create KUBE-NODE-PORT hash:ip,port family inet maxelem 1048576
create KUBE-NODE-PORT-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-NODE-PORT-NEXT
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30053
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30080
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30083
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30084
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30087
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30088
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30090
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30091
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30093
add KUBE-NODE-PORT-NEXT 10.240.0.1,tcp:30094
add KUBE-NODE-PORT-NEXT 10.240.0.1,udp:30053
swap KUBE-NODE-PORT-NEXT KUBE-NODE-PORT
destroy KUBE-NODE-PORT-NEXT
create KUBE-NODE-PORT-LOCAL hash:ip,port family inet maxelem 1048576
create KUBE-NODE-PORT-LOCAL-NEXT hash:ip,port family inet maxelem 1048576
flush KUBE-NODE-PORT-LOCAL-NEXT
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30081
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30082
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30085
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30086
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30089
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30092
add KUBE-NODE-PORT-LOCAL-NEXT 10.240.0.1,tcp:30095
swap KUBE-NODE-PORT-LOCAL-NEXT KUBE-NODE-PORT-LOCAL
destroy KUBE-NODE-PORT-LOCAL-NEXT
create KUBE-LOOP-BACK hash:ip,port,ip family inet maxelem 1048576
create KUBE-LOOP-BACK-NEXT hash:ip,port,ip family inet maxelem 1048576
flush KUBE-LOOP-BACK-NEXT
add KUBE-LOOP-BACK-NEXT 10.244.1.11,tcp:8080,10.244.1.11
add KUBE-LOOP-BACK-NEXT 10.244.1.11,tcp:8081,10.244.1.11
add KUBE-LOOP-BACK-NEXT 10.244.1.12,tcp:8080,10.244.1.12
add KUBE-LOOP-BACK-NEXT 10.244.1.13,tcp:8080,10.244.1.13
add KUBE-LOOP-BACK-NEXT 10.244.1.14,tcp:5353,10.244.1.14
add KUBE-LOOP-BACK-NEXT 10.244.1.14,udp:5353,10.244.1.14
add KUBE-LOOP-BACK-NEXT 10.244.1.15,tcp:8080,10.244.1.15
add KUBE-LOOP-BACK-NEXT 10.244.1.16,tcp:8080,10.244.1.16
add KUBE-LOOP-BACK-NEXT 10.244.1.17,tcp:8080,10.244.1.17
add KUBE-LOOP-BACK-NEXT 10.244.1.18,tcp:8080,10.244.1.18
add KUBE-LOOP-BACK-NEXT 10.244.1.19,tcp:8080,10.244.1.19
add KUBE-LOOP-BACK-NEXT 10.244.1.21,tcp:8080,10.244.1.21
add KUBE-LOOP-BACK-NEXT 10.244.1.22,tcp:8080,10.244.1.22
add KUBE-LOOP-BACK-NEXT 10.244.1.23,tcp:8080,10.244.1.23
add KUBE-LOOP-BACK-NEXT 10.244.1.24,tcp:8080,10.244.1.24
add KUBE-LOOP-BACK-NEXT 10.244.1.25,tcp:8080,10.244.1.25
add KUBE-LOOP-BACK-NEXT 10.244.1.26,tcp:8080,10.244.1.26
add KUBE-LOOP-BACK-NEXT 10.244.1.27,tcp:8080,10.244.1.27
add KUBE-LOOP-BACK-NEXT 10.244.1.28,tcp:8080,10.244.1.28
add KUBE-LOOP-BACK-NEXT 10.244.1.29,tcp:8080,10.244.1.29
add KUBE-LOOP-BACK-NEXT 10.244.1.30,tcp:8080,10.244.1.30
add KUBE-LOOP-BACK-NEXT 10.244.1.31,tcp:8080,10.244.1.31
add KUBE-LOOP-BACK-NEXT 10.244.1.32,tcp:8080,10.244.1.32
add KUBE-LOOP-BACK-NEXT 10.244.1.33,tcp:8080,10.244.1.33
add KUBE-LOOP-BACK-NEXT 10.244.1.34,tcp:8080,10.244.1.34
add KUBE-LOOP-BACK-NEXT 10.244.1.35,tcp:8080,10.244.1.35
add KUBE-LOOP-BACK-NEXT 10.244.1.36,tcp:8080,10.244.1.36
add KUBE-LOOP-BACK-NEXT 10.244.1.37,tcp:8080,10.244.1.37
add KUBE-LOOP-BACK-NEXT 10.244.1.38,tcp:8080,10.244.1.38
add KUBE-LOOP-BACK-NEXT 10.244.1.39,tcp:8080,10.244.1.39
add KUBE-LOOP-BACK-NEXT 10.244.1.40,tcp:8080,10.244.1.40
add KUBE-LOOP-BACK-NEXT 10.244.1.41,tcp:8080,10.244.1.41
add KUBE-LOOP-BACK-NEXT 10.244.1.42,tcp:8080,10.244.1.42
add KUBE-LOOP-BACK-NEXT 10.244.1.43,tcp:8080,10.244.1.43
add KUBE-LOOP-BACK-NEXT 10.244.1.44,tcp:8080,10.244.1.44
add KUBE-LOOP-BACK-NEXT 10.244.1.45,tcp:8080,10.244.1.45
add KUBE-LOOP-BACK-NEXT 10.244.1.46,tcp:8080,10.244.1.46
add KUBE-LOOP-BACK-NEXT 10.244.1.47,tcp:8080,10.244.1.47
add KUBE-LOOP-BACK-NEXT 10.244.1.48,tcp:8080,10.244.1.48
add KUBE-LOOP-BACK-NEXT 10.244.1.49,tcp:8080,10.244.1.49
add KUBE-LOOP-BACK-NEXT 10.244.1.50,tcp:8080,10.244.1.50
add KUBE-LOOP-BACK-NEXT 10.244.1.51,tcp:8080,10.244.1.51
add KUBE-LOOP-BACK-NEXT 10.244.1.52,tcp:8080,10.244.1.52
add KUBE-LOOP-BACK-NEXT 10.244.1.53,tcp:8080,10.244.1.53
add KUBE-LOOP-BACK-NEXT 10.244.1.54,tcp:8080,10.244.1.54
add KUBE-LOOP-BACK-NEXT 10.244.1.55,tcp:8080,10.244.1.55
add KUBE-LOOP-BACK-NEXT 10.244.1.56,tcp:8080,10.244.1.56
add KUBE-LOOP-BACK-NEXT 10.244.1.57,tcp:8080,10.244.1.57
add KUBE-LOOP-BACK-NEXT 10.244.1.58,tcp:8080,10.244.1.58
add KUBE-LOOP-BACK-NEXT 10.244.1.59,tcp:8080,10.244.1.59
add KUBE-LOOP-BACK-NEXT 10.244.1.60,tcp:8080,10.244.1.60
add KUBE-LOOP-BACK-NEXT 10.244.2.11,tcp:8080,10.244.2.11
add KUBE-LOOP-BACK-NEXT 10.244.2.11,tcp:8081,10.244.2.11
add KUBE-LOOP-BACK-NEXT 10.244.2.12,tcp:8080,10.244.2.12
add KUBE-LOOP-BACK-NEXT 10.244.2.13,tcp:8080,10.244.2.13
add KUBE-LOOP-BACK-NEXT 10.244.2.14,tcp:8080,10.244.2.14
add KUBE-LOOP-BACK-NEXT 10.244.2.15,tcp:5353,10.244.2.15
add KUBE-LOOP-BACK-NEXT 10.244.2.15,udp:5353,10.244.2.15
add KUBE-LOOP-BACK-NEXT 10.244.2.16,tcp:8080,10.244.2.16
add KUBE-LOOP-BACK-NEXT 10.244.2.18,tcp:8080,10.244.2.18
add KUBE-LOOP-BACK-NEXT 10.244.2.19,tcp:8080,10.244.2.19
add KUBE-LOOP-BACK-NEXT 10.244.2.21,tcp:8080,10.244.2.21
add KUBE-LOOP-BACK-NEXT 10.244.2.22,tcp:8080,10.244.2.22
add KUBE-LOOP-BACK-NEXT 10.244.2.23,tcp:8080,10.244.2.23
add KUBE-LOOP-BACK-NEXT 10.244.2.24,tcp:8080,10.244.2.24
add KUBE-LOOP-BACK-NEXT 10.244.2.25,tcp:8080,10.244.2.25
add KUBE-LOOP-BACK-NEXT 10.244.2.26,tcp:8080,10.244.2.26
add KUBE-LOOP-BACK-NEXT 10.244.2.27,tcp:8080,10.244.2.27
add KUBE-LOOP-BACK-NEXT 10.244.2.28,tcp:8080,10.244.2.28
add KUBE-LOOP-BACK-NEXT 10.244.2.29,tcp:8080,10.244.2.29
add KUBE-LOOP-BACK-NEXT 10.244.2.30,tcp:8080,10.244.2.30
add KUBE-LOOP-BACK-NEXT 10.244.2.31,tcp:8080,10.244.2.31
add KUBE-LOOP-BACK-NEXT 10.244.2.32,tcp:8080,10.244.2.32
add KUBE-LOOP-BACK-NEXT 10.244.2.33,tcp:8080,10.244.2.33
add KUBE-LOOP-BACK-NEXT 10.244.2.34,tcp:8080,10.244.2.34
add KUBE-LOOP-BACK-NEXT 10.244.2.35,tcp:8080,10.244.2.35
add KUBE-LOOP-BACK-NEXT 10.244.2.36,tcp:8080,10.244.2.36
add KUBE-LOOP-BACK-NEXT 10.244.2.37,tcp:8080,10.244.2.37
add KUBE-LOOP-BACK-NEXT 10.244.2.38,tcp:8080,10.244.2.38
add KUBE-LOOP-BACK-NEXT 10.244.2.39,tcp:8080,10.244.2.39
add KUBE-LOOP-BACK-NEXT 10.244.2.40,tcp:8080,10.244.2.40
add KUBE-LOOP-BACK-NEXT 10.244.2.41,tcp:8080,10.244.2.41
add KUBE-LOOP-BACK-NEXT 10.244.2.42,tcp:8080,10.244.2.42
add KUBE-LOOP-BACK-NEXT 10.244.2.43,tcp:8080,10.244.2.43
add KUBE-LOOP-BACK-NEXT 10.244.2.44,tcp:8080,10.244.2.44
add KUBE-LOOP-BACK-NEXT 10.244.2.45,tcp:8080,10.244.2.45
add KUBE-LOOP-BACK-NEXT 10.244.2.46,tcp:8080,10.244.2.46
add KUBE-LOOP-BACK-NEXT 10.244.2.47,tcp:8080,10.244.2.47
add KUBE-LOOP-BACK-NEXT 10.244.2.48,tcp:8080,10.244.2.48
add KUBE-LOOP-BACK-NEXT 10.244.2.49,tcp:8080,10.244.2.49
add KUBE-LOOP-BACK-NEXT 10.244.2.50,tcp:8080,10.244.2.50
add KUBE-LOOP-BACK-NEXT 10.244.2.51,tcp:8080,10.244.2.51
add KUBE-LOOP-BACK-NEXT 10.244.2.52,tcp:8080,10.244.2.52
add KUBE-LOOP-BACK-NEXT 10.244.2.53,tcp:8080,10.244.2.53
add KUBE-LOOP-BACK-NEXT 10.244.2.54,tcp:8080,10.244.2.54
add KUBE-LOOP-BACK-NEXT 10.244.2.55,tcp:8080,10.244.2.55
add KUBE-LOOP-BACK-NEXT 10.244.2.56,tcp:8080,10.244.2.56
add KUBE-LOOP-BACK-NEXT 10.244.2.57,tcp:8080,10.244.2.57
add KUBE-LOOP-BACK-NEXT 10.244.2.58,tcp:8080,10.244.2.58
add KUBE-LOOP-BACK-NEXT 10.244.2.59,tcp:8080,10.244.2.59
add KUBE-LOOP-BACK-NEXT 10.244.2.60,tcp:8080,10.244.2.60
add KUBE-LOOP-BACK-NEXT 10.244.3.11,tcp:8080,10.244.3.11
add KUBE-LOOP-BACK-NEXT 10.244.3.11,tcp:8081,10.244.3.11
add KUBE-LOOP-BACK-NEXT 10.244.3.12,tcp:8080,10.244.3.12
add KUBE-LOOP-BACK-NEXT 10.244.3.15,tcp:8080,10.244.3.15
add KUBE-LOOP-BACK-NEXT 10.244.3.16,tcp:8080,10.244.3.16
add KUBE-LOOP-BACK-NEXT 10.244.3.17,tcp:8080,10.244.3.17
add KUBE-LOOP-BACK-NEXT 10.244.3.18,tcp:8080,10.244.3.18
add KUBE-LOOP-BACK-NEXT 10.244.3.19,tcp:8080,10.244.3.19
add KUBE-LOOP-BACK-NEXT 10.244.3.20,tcp:8080,10.244.3.20
add KUBE-LOOP-BACK-NEXT 10.244.3.21,tcp:8080,10.244.3.21
add KUBE-LOOP-BACK-NEXT 10.244.3.22,tcp:8080,10.244.3.22
add KUBE-LOOP-BACK-NEXT 10.244.3.23,tcp:8080,10.244.3.23
add KUBE-LOOP-BACK-NEXT 10.244.3.24,tcp:8080,10.244.3.24
add KUBE-LOOP-BACK-NEXT 10.244.3.25,tcp:8080,10.244.3.25
add KUBE-LOOP-BACK-NEXT 10.244.3.26,tcp:8080,10.244.3.26
add KUBE-LOOP-BACK-NEXT 10.244.3.27,tcp:8080,10.244.3.27
add KUBE-LOOP-BACK-NEXT 10.244.3.28,tcp:8080,10.244.3.28
add KUBE-LOOP-BACK-NEXT 10.244.3.29,tcp:8080,10.244.3.29
add KUBE-LOOP-BACK-NEXT 10.244.3.30,tcp:8080,10.244.3.30
add KUBE-LOOP-BACK-NEXT 10.244.3.31,tcp:8080,10.244.3.31
add KUBE-LOOP-BACK-NEXT 10.244.3.32,tcp:8080,10.244.3.32
add KUBE-LOOP-BACK-NEXT 10.244.3.33,tcp:8080,10.244.3.33
add KUBE-LOOP-BACK-NEXT 10.244.3.34,tcp:8080,10.244.3.34
add KUBE-LOOP-BACK-NEXT 10.244.3.35,tcp:8080,10.244.3.35
add KUBE-LOOP-BACK-NEXT 10.244.3.36,tcp:8080,10.244.3.36
add KUBE-LOOP-BACK-NEXT 10.244.3.37,tcp:8080,10.244.3.37
add KUBE-LOOP-BACK-NEXT 10.244.3.38,tcp:8080,10.244.3.38
add KUBE-LOOP-BACK-NEXT 10.244.3.39,tcp:8080,10.244.3.39
add KUBE-LOOP-BACK-NEXT 10.244.3.40,tcp:8080,10.244.3.40
add KUBE-LOOP-BACK-NEXT 10.244.3.41,tcp:8080,10.244.3.41
add KUBE-LOOP-BACK-NEXT 10.244.3.42,tcp:8080,10.244.3.42
add KUBE-LOOP-BACK-NEXT 10.244.3.43,tcp:8080,10.244.3.43
add KUBE-LOOP-BACK-NEXT 10.244.3.44,tcp:8080,10.244.3.44
add KUBE-LOOP-BACK-NEXT 10.244.3.45,tcp:8080,10.244.3.45
add KUBE-LOOP-BACK-NEXT 10.244.3.46,tcp:8080,10.244.3.46
add KUBE-LOOP-BACK-NEXT 10.244.3.47,tcp:8080,10.244.3.47
add KUBE-LOOP-BACK-NEXT 10.244.3.48,tcp:8080,10.244.3.48
add KUBE-LOOP-BACK-NEXT 10.244.3.49,tcp:8080,10.244.3.49
add KUBE-LOOP-BACK-NEXT 10.244.3.50,tcp:8080,10.244.3.50
add KUBE-LOOP-BACK-NEXT 10.244.3.51,tcp:8080,10.244.3.51
add KUBE-LOOP-BACK-NEXT 10.244.3.52,tcp:8080,10.244.3.52
add KUBE-LOOP-BACK-NEXT 10.244.3.53,tcp:8080,10.244.3.53
add KUBE-LOOP-BACK-NEXT 10.244.3.54,tcp:8080,10.244.3.54
swap KUBE-LOOP-BACK-NEXT KUBE-LOOP-BACK
destroy KUBE-LOOP-BACK-NEXT
create KUBE-IPVS-IPS hash:ip family inet maxelem 1048576
create KUBE-IPVS-IPS-NEXT hash:ip family inet maxelem 1048576
flush KUBE-IPVS-IPS-NEXT
add KUBE-IPVS-IPS-NEXT 10.96.0.1
add KUBE-IPVS-IPS-NEXT 10.96.1.1
add KUBE-IPVS-IPS-NEXT 10.96.1.10
add KUBE-IPVS-IPS-NEXT 10.96.1.11
add KUBE-IPVS-IPS-NEXT 10.96.1.12
add KUBE-IPVS-IPS-NEXT 10.96.1.13
add KUBE-IPVS-IPS-NEXT 10.96.1.14
add KUBE-IPVS-IPS-NEXT 10.96.1.15
add KUBE-IPVS-IPS-NEXT 10.96.1.16
add KUBE-IPVS-IPS-NEXT 10.96.1.17
add KUBE-IPVS-IPS-NEXT 10.96.1.18
add KUBE-IPVS-IPS-NEXT 10.96.1.19
add KUBE-IPVS-IPS-NEXT 10.96.1.2
add KUBE-IPVS-IPS-NEXT 10.96.1.20
add KUBE-IPVS-IPS-NEXT 10.96.1.21
add KUBE-IPVS-IPS-NEXT 10.96.1.22
add KUBE-IPVS-IPS-NEXT 10.96.1.24
add KUBE-IPVS-IPS-NEXT 10.96.1.26
add KUBE-IPVS-IPS-NEXT 10.96.1.27
add KUBE-IPVS-IPS-NEXT 10.96.1.28
add KUBE-IPVS-IPS-NEXT 10.96.1.29
add KUBE-IPVS-IPS-NEXT 10.96.1.3
add KUBE-IPVS-IPS-NEXT 10.96.1.30
add KUBE-IPVS-IPS-NEXT 10.96.1.31
add KUBE-IPVS-IPS-NEXT 10.96.1.32
add KUBE-IPVS-IPS-NEXT 10.96.1.33
add KUBE-IPVS-IPS-NEXT 10.96.1.34
add KUBE-IPVS-IPS-NEXT 10.96.1.4
add KUBE-IPVS-IPS-NEXT 10.96.1.5
add KUBE-IPVS-IPS-NEXT 10.96.1.6
add KUBE-IPVS-IPS-NEXT 10.96.1.7
add KUBE-IPVS-IPS-NEXT 10.96.1.8
add KUBE-IPVS-IPS-NEXT 10.96.1.9
add KUBE-IPVS-IPS-NEXT 203.0.113.10
add KUBE-IPVS-IPS-NEXT 203.0.113.11
add KUBE-IPVS-IPS-NEXT 203.0.113.12
add KUBE-IPVS-IPS-NEXT 203.0.113.13
add KUBE-IPVS-IPS-NEXT 203.0.113.14
add KUBE-IPVS-IPS-NEXT 203.0.113.16
add KUBE-IPVS-IPS-NEXT 203.0.113.17
add KUBE-IPVS-IPS-NEXT 203.0.113.18
add KUBE-IPVS-IPS-NEXT 203.0.113.50
swap KUBE-IPVS-IPS-NEXT KUBE-IPVS-IPS
destroy KUBE-IPVS-IPS-NEXT
SIGNALBOX_END
iptables-restore --noflush <<'SIGNALBOX_END'
*filter
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CID dst,dst,src -j RETURN
-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j DROP
-A KUBE-IPVS-FILTER -m set --match-set KUBE-LOAD-BALANCER dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-NODE-PORT-LOCAL dst,dst -m addrtype ! --src-type LOCAL -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-NODE-PORT dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -s 10.244.0.0/16 -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
COMMIT
SIGNALBOX_END
iptables -w -t filter -C INPUT -j KUBE-IPVS-FILTER 2>/dev/null || iptables -w -t filter -I INPUT -j KUBE-IPVS-FILTER
iptables -w -t filter -C INPUT -j KUBE-PROXY-FIREWALL 2>/dev/null || iptables -w -t filter -I INPUT -j KUBE-PROXY-FIREWALL
iptables -w -t filter -C FORWARD -j KUBE-PROXY-FIREWALL 2>/dev/null || iptables -w -t filter -I FORWARD -j KUBE-PROXY-FIREWALL
iptables -w -t nat -C PREROUTING -j KUBE-SERVICES 2>/dev/null || iptables -w -t nat -I PREROUTING -j KUBE-SERVICES
iptables -w -t nat -C OUTPUT -j KUBE-SERVICES 2>/dev/null || iptables -w -t nat -I OUTPUT -j KUBE-SERVICES
iptables -w -t nat -C POSTROUTING -j KUBE-POSTROUTING 2>/dev/null || iptables -w -t nat -I POSTROUTING -j KUBE-POSTROUTING
{ ipvsadm --list --numeric; echo '--'; cat; } <<'SIGNALBOX_END' | awk '
$0 == "--" { isWanted = 1; next }
!isWanted && $1 != "->" {
  server = ""
  if ($1 !~ /^(TCP|UDP|SCTP)$/ || $2 !~ /^[0-9.]+:[0-9]+$/) next
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
-A -t 10.96.0.1:443 -s rr
-A -t 10.96.1.10:80 -s rr -p 3
-a -t 10.96.1.10:80 -r 10.244.1.11:8080 -m -w 1
-a -t 10.96.1.10:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.10:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.34:80 -s rr
-a -t 10.96.1.34:80 -r 10.244.1.21:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.22:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.23:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.24:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.25:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.26:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.27:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.28:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.29:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.30:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.31:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.32:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.33:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.34:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.35:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.36:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.37:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.38:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.39:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.40:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.41:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.42:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.43:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.44:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.45:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.46:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.47:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.48:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.49:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.50:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.51:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.52:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.53:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.54:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.55:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.56:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.57:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.58:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.59:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.1.60:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.21:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.22:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.23:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.24:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.25:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.26:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.27:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.28:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.29:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.30:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.31:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.32:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.33:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.34:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.35:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.36:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.37:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.38:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.39:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.40:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.41:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.42:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.43:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.44:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.45:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.46:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.47:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.48:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.49:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.50:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.51:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.52:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.53:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.54:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.55:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.56:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.57:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.58:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.59:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.2.60:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.15:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.16:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.17:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.18:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.19:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.20:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.21:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.22:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.23:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.24:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.25:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.26:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.27:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.28:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.29:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.30:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.31:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.32:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.33:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.34:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.35:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.36:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.37:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.38:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.39:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.40:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.41:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.42:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.43:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.44:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.45:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.46:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.47:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.48:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.49:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.50:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.51:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.52:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.53:8080 -m -w 1
-a -t 10.96.1.34:80 -r 10.244.3.54:8080 -m -w 1
-A -t 10.96.1.30:80 -s rr
-a -t 10.96.1.30:80 -r 10.244.1.13:8080 -m -w 1
-A -t 10.240.0.1:30092 -s rr
-a -t 10.240.0.1:30092 -r 10.244.1.13:8080 -m -w 1
-A -u 10.96.1.12:53 -s rr
-a -u 10.96.1.12:53 -r 10.244.1.14:5353 -m -w 1
-a -u 10.96.1.12:53 -r 10.244.2.15:5353 -m -w 1
-A -u 10.240.0.1:30053 -s rr
-a -u 10.240.0.1:30053 -r 10.244.1.14:5353 -m -w 1
-a -u 10.240.0.1:30053 -r 10.244.2.15:5353 -m -w 1
-A -t 10.96.1.12:53 -s rr
-a -t 10.96.1.12:53 -r 10.244.1.14:5353 -m -w 1
-a -t 10.96.1.12:53 -r 10.244.2.15:5353 -m -w 1
-A -t 10.240.0.1:30053 -s rr
-a -t 10.240.0.1:30053 -r 10.244.1.14:5353 -m -w 1
-a -t 10.240.0.1:30053 -r 10.244.2.15:5353 -m -w 1
-A -t 10.96.1.22:80 -s rr
-a -t 10.96.1.22:80 -r 10.244.1.11:8080 -m -w 1
-a -t 10.96.1.22:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.22:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.11:80 -s rr
-A -t 10.240.0.1:30087 -s rr
-A -t 10.96.1.31:80 -s rr
-A -t 203.0.113.18:80 -s rr
-A -t 10.240.0.1:30093 -s rr
-A -t 10.96.1.9:80 -s rr
-a -t 10.96.1.9:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.9:80 -r 10.244.2.12:8080 -m -w 1
-A -t 203.0.113.50:80 -s rr
-a -t 203.0.113.50:80 -r 10.244.1.12:8080 -m -w 1
-a -t 203.0.113.50:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.19:80 -s rr
-a -t 10.96.1.19:80 -r 10.244.1.18:8080 -m -w 1
-A -t 10.96.1.13:80 -s rr
-a -t 10.96.1.13:80 -r 10.244.1.13:8080 -m -w 1
-A -t 10.96.1.14:80 -s rr
-A -t 10.96.1.5:80 -s rr
-a -t 10.96.1.5:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.5:80 -r 10.244.2.12:8080 -m -w 1
-A -t 203.0.113.10:80 -s rr
-a -t 203.0.113.10:80 -r 10.244.1.12:8080 -m -w 1
-a -t 203.0.113.10:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.240.0.1:30083 -s rr
-a -t 10.240.0.1:30083 -r 10.244.1.12:8080 -m -w 1
-a -t 10.240.0.1:30083 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.7:80 -s rr
-a -t 10.96.1.7:80 -r 10.244.1.13:8080 -m -w 1
-a -t 10.96.1.7:80 -r 10.244.2.13:8080 -m -w 1
-A -t 203.0.113.12:80 -s rr
-a -t 203.0.113.12:80 -r 10.244.1.13:8080 -m -w 1
-A -t 10.240.0.1:30085 -s rr
-a -t 10.240.0.1:30085 -r 10.244.1.13:8080 -m -w 1
-A -t 10.96.1.8:80 -s rr
-a -t 10.96.1.8:80 -r 10.244.2.14:8080 -m -w 1
-a -t 10.96.1.8:80 -r 10.244.3.12:8080 -m -w 1
-A -t 203.0.113.13:80 -s rr
-a -t 203.0.113.13:80 -r 10.244.2.14:8080 -m -w 1
-a -t 203.0.113.13:80 -r 10.244.3.12:8080 -m -w 1
-A -t 10.240.0.1:30086 -s rr
-a -t 10.240.0.1:30086 -r 10.244.2.14:8080 -m -w 1
-a -t 10.240.0.1:30086 -r 10.244.3.12:8080 -m -w 1
-A -t 10.96.1.29:80 -s rr
-a -t 10.96.1.29:80 -r 10.244.1.11:8080 -m -w 1
-a -t 10.96.1.29:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.29:80 -r 10.244.3.11:8080 -m -w 1
-A -t 203.0.113.16:80 -s rr
-a -t 203.0.113.16:80 -r 10.244.1.11:8080 -m -w 1
-a -t 203.0.113.16:80 -r 10.244.2.11:8080 -m -w 1
-a -t 203.0.113.16:80 -r 10.244.3.11:8080 -m -w 1
-A -t 203.0.113.17:80 -s rr
-a -t 203.0.113.17:80 -r 10.244.1.11:8080 -m -w 1
-a -t 203.0.113.17:80 -r 10.244.2.11:8080 -m -w 1
-a -t 203.0.113.17:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.240.0.1:30090 -s rr
-a -t 10.240.0.1:30090 -r 10.244.1.11:8080 -m -w 1
-a -t 10.240.0.1:30090 -r 10.244.2.11:8080 -m -w 1
-a -t 10.240.0.1:30090 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.29:443 -s rr
-a -t 10.96.1.29:443 -r 10.244.1.11:8081 -m -w 1
-a -t 10.96.1.29:443 -r 10.244.2.11:8081 -m -w 1
-a -t 10.96.1.29:443 -r 10.244.3.11:8081 -m -w 1
-A -t 203.0.113.16:443 -s rr
-a -t 203.0.113.16:443 -r 10.244.1.11:8081 -m -w 1
-a -t 203.0.113.16:443 -r 10.244.2.11:8081 -m -w 1
-a -t 203.0.113.16:443 -r 10.244.3.11:8081 -m -w 1
-A -t 203.0.113.17:443 -s rr
-a -t 203.0.113.17:443 -r 10.244.1.11:8081 -m -w 1
-a -t 203.0.113.17:443 -r 10.244.2.11:8081 -m -w 1
-a -t 203.0.113.17:443 -r 10.244.3.11:8081 -m -w 1
-A -t 10.240.0.1:30091 -s rr
-a -t 10.240.0.1:30091 -r 10.244.1.11:8081 -m -w 1
-a -t 10.240.0.1:30091 -r 10.244.2.11:8081 -m -w 1
-a -t 10.240.0.1:30091 -r 10.244.3.11:8081 -m -w 1
-A -t 10.96.1.26:80 -s rr
-a -t 10.96.1.26:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.26:80 -r 10.244.2.12:8080 -m -w 1
-A -t 203.0.113.14:80 -s rr
-a -t 203.0.113.14:80 -r 10.244.1.12:8080 -m -w 1
-a -t 203.0.113.14:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.27:80 -s rr
-a -t 10.96.1.27:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.27:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.240.0.1:30088 -s rr
-a -t 10.240.0.1:30088 -r 10.244.1.12:8080 -m -w 1
-a -t 10.240.0.1:30088 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.6:80 -s rr
-a -t 10.96.1.6:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.6:80 -r 10.244.2.12:8080 -m -w 1
-A -t 203.0.113.11:80 -s rr
-a -t 203.0.113.11:80 -r 10.244.1.12:8080 -m -w 1
-a -t 203.0.113.11:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.240.0.1:30084 -s rr
-a -t 10.240.0.1:30084 -r 10.244.1.12:8080 -m -w 1
-a -t 10.240.0.1:30084 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.24:80 -s rr
-a -t 10.96.1.24:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.24:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.17:80 -s rr
-A -t 10.96.1.2:80 -s rr
-a -t 10.96.1.2:80 -r 10.244.1.12:8080 -m -w 1
-a -t 10.96.1.2:80 -r 10.244.2.12:8080 -m -w 1
-A -t 10.240.0.1:30080 -s rr
-a -t 10.240.0.1:30080 -r 10.244.1.12:8080 -m -w 1
-a -t 10.240.0.1:30080 -r 10.244.2.12:8080 -m -w 1
-A -t 10.96.1.28:80 -s rr -p 10800
-a -t 10.96.1.28:80 -r 10.244.1.13:8080 -m -w 1
-a -t 10.96.1.28:80 -r 10.244.2.13:8080 -m -w 1
-A -t 10.240.0.1:30089 -s rr -p 10800
-a -t 10.240.0.1:30089 -r 10.244.1.13:8080 -m -w 1
-A -t 10.96.1.32:80 -s rr
-a -t 10.96.1.32:80 -r 10.244.1.11:8080 -m -w 1
-a -t 10.96.1.32:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.32:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.240.0.1:30094 -s rr
-a -t 10.240.0.1:30094 -r 10.244.1.11:8080 -m -w 1
-a -t 10.240.0.1:30094 -r 10.244.2.11:8080 -m -w 1
-a -t 10.240.0.1:30094 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.3:80 -s rr
-a -t 10.96.1.3:80 -r 10.244.1.13:8080 -m -w 1
-a -t 10.96.1.3:80 -r 10.244.2.13:8080 -m -w 1
-A -t 10.240.0.1:30081 -s rr
-a -t 10.240.0.1:30081 -r 10.244.1.13:8080 -m -w 1
-A -t 10.96.1.4:80 -s rr
-a -t 10.96.1.4:80 -r 10.244.2.14:8080 -m -w 1
-a -t 10.96.1.4:80 -r 10.244.3.12:8080 -m -w 1
-A -t 10.240.0.1:30082 -s rr
-a -t 10.240.0.1:30082 -r 10.244.2.14:8080 -m -w 1
-a -t 10.240.0.1:30082 -r 10.244.3.12:8080 -m -w 1
-A -t 10.96.1.18:80 -s rr
-a -t 10.96.1.18:80 -r 10.244.1.17:8080 -m -w 1
-a -t 10.96.1.18:80 -r 10.244.2.18:8080 -m -w 1
-A -t 10.96.1.21:80 -s rr
-a -t 10.96.1.21:80 -r 10.244.1.19:8080 -m -w 1
-A -t 10.96.1.20:80 -s rr
-a -t 10.96.1.20:80 -r 10.244.1.19:8080 -m -w 1
-a -t 10.96.1.20:80 -r 10.244.2.19:8080 -m -w 1
-A -t 10.96.1.15:80 -s rr
-a -t 10.96.1.15:80 -r 10.244.1.15:8080 -m -w 1
-a -t 10.96.1.15:80 -r 10.244.2.16:8080 -m -w 1
-A -t 10.96.1.33:80 -s rr
-a -t 10.96.1.33:80 -r 10.244.1.15:8080 -m -w 1
-a -t 10.96.1.33:80 -r 10.244.2.16:8080 -m -w 1
-A -t 10.240.0.1:30095 -s rr
-a -t 10.240.0.1:30095 -r 10.244.1.15:8080 -m -w 1
-A -t 10.96.1.16:80 -s rr
-a -t 10.96.1.16:80 -r 10.244.1.16:8080 -m -w 1
-A -t 10.96.1.1:80 -s rr
-a -t 10.96.1.1:80 -r 10.244.1.11:8080 -m -w 1
-a -t 10.96.1.1:80 -r 10.244.2.11:8080 -m -w 1
-a -t 10.96.1.1:80 -r 10.244.3.11:8080 -m -w 1
-A -t 10.96.1.1:81 -s rr
-a -t 10.96.1.1:81 -r 10.244.1.11:8081 -m -w 1
-a -t 10.96.1.1:81 -r 10.244.2.11:8081 -m -w 1
-a -t 10.96.1.1:81 -r 10.244.3.11:8081 -m -w 1
SIGNALBOX_END
{ ip -o -4 addr show dev kube-ipvs0 | awk '{ print $4 }'; echo '--'; cat; } <<'SIGNALBOX_END' | awk '
$0 == "--" { isWanted = 1; next }
!isWanted { have[$1]; next }
{ want[$3]; if (!($3 in have)) print }
END { for (address in have) if (!(address in want)) print "addr del " address " dev kube-ipvs0" }
' | ip -batch -
addr add 10.96.0.1/32 dev kube-ipvs0
addr add 10.96.1.10/32 dev kube-ipvs0
addr add 10.96.1.34/32 dev kube-ipvs0
addr add 10.96.1.30/32 dev kube-ipvs0
addr add 10.96.1.12/32 dev kube-ipvs0
addr add 10.96.1.22/32 dev kube-ipvs0
addr add 10.96.1.11/32 dev kube-ipvs0
addr add 10.96.1.31/32 dev kube-ipvs0
addr add 203.0.113.18/32 dev kube-ipvs0
addr add 10.96.1.9/32 dev kube-ipvs0
addr add 203.0.113.50/32 dev kube-ipvs0
addr add 10.96.1.19/32 dev kube-ipvs0
addr add 10.96.1.13/32 dev kube-ipvs0
addr add 10.96.1.14/32 dev kube-ipvs0
addr add 10.96.1.5/32 dev kube-ipvs0
addr add 203.0.113.10/32 dev kube-ipvs0
addr add 10.96.1.7/32 dev kube-ipvs0
addr add 203.0.113.12/32 dev kube-ipvs0
addr add 10.96.1.8/32 dev kube-ipvs0
addr add 203.0.113.13/32 dev kube-ipvs0
addr add 10.96.1.29/32 dev kube-ipvs0
addr add 203.0.113.16/32 dev kube-ipvs0
addr add 203.0.113.17/32 dev kube-ipvs0
addr add 10.96.1.26/32 dev kube-ipvs0
addr add 203.0.113.14/32 dev kube-ipvs0
addr add 10.96.1.27/32 dev kube-ipvs0
addr add 10.96.1.6/32 dev kube-ipvs0
addr add 203.0.113.11/32 dev kube-ipvs0
addr add 10.96.1.24/32 dev kube-ipvs0
addr add 10.96.1.17/32 dev kube-ipvs0
addr add 10.96.1.2/32 dev kube-ipvs0
addr add 10.96.1.28/32 dev kube-ipvs0
addr add 10.96.1.32/32 dev kube-ipvs0
addr add 10.96.1.3/32 dev kube-ipvs0
addr add 10.96.1.4/32 dev kube-ipvs0
addr add 10.96.1.18/32 dev kube-ipvs0
addr add 10.96.1.21/32 dev kube-ipvs0
addr add 10.96.1.20/32 dev kube-ipvs0
addr add 10.96.1.15/32 dev kube-ipvs0
addr add 10.96.1.33/32 dev kube-ipvs0
addr add 10.96.1.16/32 dev kube-ipvs0
addr add 10.96.1.1/32 dev kube-ipvs0
SIGNALBOX_END
