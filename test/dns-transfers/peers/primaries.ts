/** Knot and BIND as primaries of a `cluster.local` of their own that takes updates signed with the test's key. */
import { bindBase, KEY, knotBase, type Peer, startPeer } from './peer.ts';

interface Primary {
  readonly port: number;
  /** May it be read as a whole, with the key. */
  readonly isTransferable?: boolean;
}

export type StartPrimary = (primary: Primary) => Promise<Peer>;

/** With names that are somebody else's, one of which we want too. */
const ZONE_FILE = `$ORIGIN cluster.local.
@ 30 IN SOA ns.example.com. admin.example.com. 1 7200 1800 86400 30
@ 30 IN NS ns.example.com.
@ 30 IN TXT "of the people"
admin 300 IN A 192.0.2.1
web-7.ns.svc 300 IN A 192.0.2.7
`;

export const FOREIGN_LINES = [
  'admin.cluster.local. 300 IN A 192.0.2.1',
  'cluster.local. 30 IN NS ns.example.com.',
  'cluster.local. 30 IN TXT "of the people"',
  'web-7.ns.svc.cluster.local. 300 IN A 192.0.2.7',
];

export const startKnotPrimary: StartPrimary = ({ port, isTransferable = true }) =>
  startPeer(port, {
    command: ['knotd', '-c', '@DIR@/knot.conf'],
    files: {
      'cluster.local.zone': ZONE_FILE,
      'knot.conf': `${knotBase(port)}
acl:
  - id: updated
    key: ${KEY.name}
    action: [ ${isTransferable ? 'transfer, ' : ''}update ]
zone:
  - domain: cluster.local
    storage: "@DIR@"
    file: cluster.local.zone
    zonefile-sync: -1
    zonefile-load: difference
    acl: updated
`,
    },
  });

export const startBindPrimary: StartPrimary = ({ port, isTransferable = true }) =>
  startPeer(port, {
    command: ['named', '-g', '-n', '1', '-c', '@DIR@/named.conf'],
    files: {
      'cluster.local.zone': ZONE_FILE,
      'named.conf': `${bindBase(port)}
zone "cluster.local" {
  type primary; file "cluster.local.zone";
  allow-update { key "${KEY.name}"; };
  allow-transfer { ${isTransferable ? `key "${KEY.name}"` : 'none'}; };
};
`,
    },
  });
