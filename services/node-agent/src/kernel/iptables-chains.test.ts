import { expect, test } from 'vitest';
import { removalScript } from './iptables-chains.ts';

const SAVED = `# Generated
*filter
:INPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-PROXY-CANARY - [0:0]
-A INPUT -j KUBE-FIREWALL
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-POD-FW-ABC - [0:0]
:KUBE-SVC-NEW - [0:0]
:KUBE-SVC-OLD - [0:0]
:KUBE-SEP-NEW - [0:0]
:KUBE-SEP-OLD - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j KUBE-POD-FW-ABC
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-NEW
-A KUBE-SVC-NEW -j KUBE-SEP-NEW
-A KUBE-SVC-OLD -j KUBE-SEP-OLD
COMMIT
`;

test('removes chains and the jumps to them, and leaves those of others', () => {
  expect(removalScript(SAVED)).toBe(`*filter
:KUBE-PROXY-CANARY - [0:0]
-X KUBE-PROXY-CANARY
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NEW - [0:0]
:KUBE-SVC-OLD - [0:0]
:KUBE-SEP-NEW - [0:0]
:KUBE-SEP-OLD - [0:0]
-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-X KUBE-SERVICES
-X KUBE-SVC-NEW
-X KUBE-SVC-OLD
-X KUBE-SEP-NEW
-X KUBE-SEP-OLD
COMMIT
`);
});

test('keeps what the kept chains lead to', () => {
  expect(removalScript(SAVED, new Set(['KUBE-SERVICES']))).toContain(`*nat
:KUBE-SVC-OLD - [0:0]
:KUBE-SEP-OLD - [0:0]
-X KUBE-SVC-OLD
-X KUBE-SEP-OLD
COMMIT
`);
});

test('is empty where there is nothing to remove', () => {
  expect(removalScript('*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n')).toBe('');
});
