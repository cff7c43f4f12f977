/** Knot, BIND and NSD as secondaries of `cluster.local`, which is at the given port. */
import { bindBase, KEY, knotBase, type Peer, startPeer } from './peer.ts';

interface Secondary {
  readonly port: number;
  readonly primaryPort: number;
  /** Of the key; the right one unless said. */
  readonly secret?: string;
}

export type StartSecondary = (secondary: Secondary) => Promise<Peer>;

export const startKnot: StartSecondary = ({ port, primaryPort, secret = KEY.secret }) =>
  startPeer(port, {
    command: ['knotd', '-c', '@DIR@/knot.conf'],
    files: {
      'knot.conf': `
${knotBase(port, secret)}
remote:
  - id: primary
    address: 127.0.0.1@${primaryPort}
    key: ${KEY.name}
acl:
  - id: notified
    address: 127.0.0.1
    action: notify
    key: ${KEY.name}
  - id: transferred
    address: 127.0.0.1
    action: transfer
zone:
  - domain: cluster.local
    storage: "@DIR@"
    master: primary
    acl: [ notified, transferred ]
`,
    },
  });

export const startBind: StartSecondary = ({ port, primaryPort, secret = KEY.secret }) =>
  startPeer(port, {
    command: ['named', '-g', '-n', '1', '-c', '@DIR@/named.conf'],
    files: {
      'named.conf': `
${bindBase(port, secret)}
zone "cluster.local" {
  type secondary; allow-transfer { 127.0.0.1; }; file "cluster.local.zone"; primaries { 127.0.0.1 port ${primaryPort} key "${KEY.name}"; };
};
`,
    },
  });

export const startNsd: StartSecondary = ({ port, primaryPort, secret = KEY.secret }) =>
  startPeer(port, {
    command: ['nsd', '-d', '-c', '@DIR@/nsd.conf'],
    files: {
      'nsd.conf': `
server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "@DIR@"
  database: ""
  pidfile: "@DIR@/nsd.pid"
  xfrdfile: "@DIR@/xfrd.state"
  xfrdir: "@DIR@"
  zonelistfile: "@DIR@/zone.list"
  cookie-secret-file: ""
  xfrd-reload-timeout: 0
  verbosity: 2
remote-control:
  control-enable: no
key:
  name: "${KEY.name}"
  algorithm: ${KEY.algorithm}
  secret: "${secret}"
zone:
  name: "cluster.local"
  zonefile: "cluster.local.zone"
  allow-notify: 127.0.0.1 ${KEY.name}
  request-xfr: 127.0.0.1@${primaryPort} ${KEY.name}
  provide-xfr: 127.0.0.1 NOKEY
`,
    },
  });
