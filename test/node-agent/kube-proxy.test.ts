/** Rules go in beside kube-proxy's, then instead of them; and go out on request. */
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import type { RunningWorkers } from '@signalbox/kit';
import { nodeAgentProcess } from '@signalbox/node-agent';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { CLI } from '../harness/signalbox.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import { acked, FIRST_POD, putWorld, SERVICE_IP, startAgent, startPlane } from './agent-world.ts';

/** What kube-proxy leaves in its nftables and iptables modes, pointing at an endpoint that is not there. */
const KUBE_PROXY_TABLES = `
table ip kube-proxy {
  chain nat-prerouting { type nat hook prerouting priority -110; ip daddr ${SERVICE_IP} tcp dport 80 dnat to 10.244.1.99:8080; }
}
table ip6 kube-proxy {
}
`;
const KUBE_PROXY_CHAINS = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-OLDOLDOLDOLDOLD3 - [0:0]
:KUBE-SEP-OLDOLDOLDOLDOLD2 - [0:0]
:KUBE-MARK-DROP - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.99/32 -j KUBE-SVC-OLDOLDOLDOLDOLD3
-A KUBE-SVC-OLDOLDOLDOLDOLD3 -j KUBE-SEP-OLDOLDOLDOLDOLD2
COMMIT
`;

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = ['ip', 'nft', 'iptables-restore', 'ip6tables-restore'];
  describeWithPrograms(`taking over from kube-proxy with ${backend}`, programs, () => {
    const lab = new NetworkLab(`over-${backend}`);
    let log: EventLog;
    let plane: RunningWorkers;

    beforeAll(() => lab.open());
    afterAll(() => lab.close());
    beforeEach(async () => {
      log = openSqliteEventLog({ path: ':memory:' });
      plane = await startPlane(log);
      lab.run('node', ['nft', '-f', '-'], KUBE_PROXY_TABLES);
      lab.run('node', ['iptables-restore', '--noflush'], KUBE_PROXY_CHAINS);
    });
    afterEach(async () => {
      await plane.stop();
      await log.close();
      lab.run('node', ['nft', 'flush', 'ruleset']);
    });

    const rules = (): string => lab.run('node', ['nft', 'list', 'ruleset']);

    test('removes its rules once the own ones are in, and leaves those of others', async () => {
      const agent = await startAgent(log, lab, { backend, takesOver: true });
      try {
        expect(rules()).toContain('table ip kube-proxy');
        await acked(log, await putWorld(log));
        await waitFor('the rules of kube-proxy to be gone', () => !/kube-proxy|OLDOLD/.test(rules()));
        const probe = await lab.probe({ from: 'client', protocol: 'tcp', host: SERVICE_IP, port: 80, times: 6 });
        expect(probe).toMatchObject({ outcomes: ['ok'], endpoints: [FIRST_POD] });
        expect(rules()).toContain('KUBE-MARK-DROP');
      } finally {
        await agent.stop();
      }
    });

    test('leaves the rules of a family that it does not program', async () => {
      const agent = await startAgent(log, lab, { backend, takesOver: true, families: ['IPv6'] });
      try {
        await acked(log, await putWorld(log));
        await waitFor('the IPv6 rules of kube-proxy to be gone', () => !rules().includes('table ip6 kube-proxy'));
        await agent.stop();
        expect(rules()).toContain('table ip kube-proxy');
        expect(rules()).toContain('OLDOLD');
      } finally {
        await agent.stop();
      }
    });

    test('touches nothing of kube-proxy without being asked to', async () => {
      const agent = await startAgent(log, lab, { backend });
      await acked(log, await putWorld(log));
      await agent.stop();
      expect(rules()).toContain('table ip kube-proxy');
    });

    test('--cleanup removes the own rules, and ends', async () => {
      const agent = await startAgent(log, lab, { backend });
      await acked(log, await putWorld(log));
      await agent.stop();
      const command = ['node', CLI, nodeAgentProcess.name, '--cleanup', '--backend', backend];
      lab.run('node', command);
      expect(rules()).not.toMatch(backend === 'nftables' ? /table ip6? signalbox/ : /KUBE-(SERVICES|SVC|SEP)/);
      expect(rules()).toContain('KUBE-MARK-DROP');
      lab.run('node', command);
    });
  });
}
