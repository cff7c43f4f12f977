/** A node that kube-proxy programs: what it has too much and what it lacks is told, and nothing is touched. */
import { join } from 'node:path';
import { type RunningApi, startApi } from '@signalbox/api';
import { runCli } from '@signalbox/cli';
import type { NodeDrift } from '@signalbox/contracts';
import { dnsWorker } from '@signalbox/dns-worker';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningWorkers } from '@signalbox/kit';
import { lbWorker } from '@signalbox/lb-worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import { CLUSTER, FIRST_POD, lastAck, NODE, putWorld, SERVICE_IP, startAgent, startPlane } from './agent-world.ts';

const STALE_IP = '10.96.0.99';

/** The TCP port of the service `web` (its UDP port is missing), and a service that is gone. */
const NFTABLES = `table ip kube-proxy {
  chain mark-for-masquerade { meta mark set meta mark or 0x4000 ; }
  chain endpoint-AAAAAAAA-shop/web/tcp/http__${FIRST_POD}/8080 {
    ip saddr ${FIRST_POD} jump mark-for-masquerade
    meta l4proto tcp dnat to ${FIRST_POD}:8080
  }
  chain endpoint-BBBBBBBB-shop/gone/tcp/http__10.244.1.99/8080 {
    ip saddr 10.244.1.99 jump mark-for-masquerade
    meta l4proto tcp dnat to 10.244.1.99:8080
  }
  chain service-CCCCCCCC-shop/web/tcp/http {
    ip daddr ${SERVICE_IP} tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
    numgen random mod 1 vmap { 0 : goto endpoint-AAAAAAAA-shop/web/tcp/http__${FIRST_POD}/8080 }
  }
  chain service-DDDDDDDD-shop/gone/tcp/http {
    ip daddr ${STALE_IP} tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
    numgen random mod 1 vmap { 0 : goto endpoint-BBBBBBBB-shop/gone/tcp/http__10.244.1.99/8080 }
  }
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { ${SERVICE_IP} . tcp . 80 : goto service-CCCCCCCC-shop/web/tcp/http,
      ${STALE_IP} . tcp . 80 : goto service-DDDDDDDD-shop/gone/tcp/http }
  }
  set cluster-ips { type ipv4_addr ; elements = { ${SERVICE_IP}, ${STALE_IP} } }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips ; }
  chain nat-prerouting { type nat hook prerouting priority -100 ; jump services ; }
}
`;
const IPTABLES = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SVC-BBBBBBBBBBBBBBBB - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-SERVICES -d ${SERVICE_IP}/32 -p tcp -m comment --comment "shop/web:http cluster IP" --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -d ${STALE_IP}/32 -p tcp -m comment --comment "shop/gone:http cluster IP" --dport 80 -j KUBE-SVC-BBBBBBBBBBBBBBBB
-A KUBE-SVC-AAAAAAAAAAAAAAAA ! -s 10.244.0.0/16 -d ${SERVICE_IP}/32 -p tcp -m comment --comment "shop/web:http cluster IP" --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "shop/web:http -> ${FIRST_POD}:8080" -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SEP-AAAAAAAAAAAAAAAA -s ${FIRST_POD}/32 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment "shop/web:http" -j DNAT --to-destination ${FIRST_POD}:8080
-A KUBE-SVC-BBBBBBBBBBBBBBBB ! -s 10.244.0.0/16 -d ${STALE_IP}/32 -p tcp -m comment --comment "shop/gone:http cluster IP" --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-BBBBBBBBBBBBBBBB -m comment --comment "shop/gone:http -> 10.244.1.99:8080" -j KUBE-SEP-BBBBBBBBBBBBBBBB
-A KUBE-SEP-BBBBBBBBBBBBBBBB -s 10.244.1.99/32 -m comment --comment "shop/gone:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-BBBBBBBBBBBBBBBB -p tcp -m comment --comment "shop/gone:http" -j DNAT --to-destination 10.244.1.99:8080
COMMIT
`;

const KUBE_PROXY = {
  nftables: { load: ['nft', '-f', '-'], rules: NFTABLES },
  iptables: { load: ['iptables-restore', '--noflush'], rules: IPTABLES },
} as const;

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = ['ip', 'nft', 'iptables-restore', 'iptables-save', 'ip6tables-save'];
  describeWithPrograms(`observing kube-proxy with ${backend}`, programs, () => {
    const lab = new NetworkLab(`observe-${backend}`);
    let log: EventLog;
    let plane: RunningWorkers;
    let api: RunningApi;
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;

    beforeAll(() => lab.open());
    afterAll(() => lab.close());
    beforeEach(async () => {
      log = openSqliteEventLog({ path: ':memory:' });
      plane = await startPlane(log, [dnsWorker({ ttlSeconds: 30 }), lbWorker]);
      folder = await temporaryFolder();
      const context = { log, logger: createLogger({ component: 'test', level: 'silent' }), registry: createRegistry() };
      const listen = { address: '127.0.0.1', port: 0 };
      api = await startApi(context, { storePath: join(folder.path, 'store.db'), listen });
      const { load, rules } = KUBE_PROXY[backend];
      lab.run('node', load, rules);
      // Lists the IPv6 tables once, so that asking for them makes none later.
      lab.run('node', ['ip6tables-save']);
    });
    afterEach(async () => {
      await api.stop();
      await plane.stop();
      await log.close();
      await folder.remove();
      lab.run('node', ['nft', 'flush', 'ruleset']);
    });

    const ruleset = (): string => lab.run('node', ['nft', 'list', 'ruleset']);
    const drift = async (): Promise<NodeDrift | undefined> => {
      await plane.processAll();
      await api.processAll();
      const response = await fetch(`${api.url}/v1/clusters/${CLUSTER}/nodes/${NODE}/drift`);
      return response.ok ? ((await response.json()) as NodeDrift) : undefined;
    };
    const command = async (...args: string[]): Promise<string> => {
      let text = '';
      const stream = { write: (part: string) => (text += part) };
      await runCli([...args, '--api', api.url], { stdin: process.stdin, stdout: stream, stderr: stream });
      return text;
    };

    test('the API and the command line say what is stale and what is missing; the kernel stays as it is', async () => {
      const before = ruleset();
      const agent = await startAgent(log, lab, { backend, observes: 'kube-proxy', driftIntervalMs: 100 });
      try {
        const revision = await putWorld(log);
        await waitFor('a report', async () => ((await drift())?.revision ?? 0) >= revision);
        const found = await drift();
        expect(found).toMatchObject({ owner: 'kube-proxy', backend, repaired: false, error: '' });
        const briefly = found?.differences.map(({ service, what, at }) => [service, what, at]);
        expect(briefly).toContainEqual(['shop/gone:http', 'added', `tcp ${STALE_IP}:80`]);
        expect(briefly).toContainEqual(['shop/web:udp', 'missing', `udp ${SERVICE_IP}:80`]);
        expect(briefly).not.toContainEqual(expect.arrayContaining(['shop/web:http']));
        expect(await command('get', 'drift')).toMatch(new RegExp(`${NODE} +${backend} +kube-proxy`));
        expect(await command('get', 'drift', NODE)).toMatch(/shop\/gone:http +added +nat +tcp 10\.96\.0\.99:80/);
        expect(agent.readiness().isReady).toBe(true);
        expect(agent.proxyHealthUrl).toBeUndefined();
        expect(await agent.metrics()).toContain('signalbox_agent_applied_revision 0\n');
      } finally {
        await agent.stop();
      }
      expect(ruleset()).toBe(before);
      expect(await lastAck(log)).toBeUndefined();
    });

    test('the first comparison does not wait for the timer', async () => {
      const agent = await startAgent(log, lab, { backend, observes: 'kube-proxy', driftIntervalMs: 3_600_000 });
      try {
        await putWorld(log);
        await waitFor('a report', async () => (await drift()) !== undefined);
      } finally {
        await agent.stop();
      }
    });

    test.for([
      { name: 'taking over', options: { takesOver: true } },
      { name: 'never looking', options: { driftIntervalMs: 0 } },
    ])('$name is not observing', async ({ options }) => {
      const agent = startAgent(log, lab, { backend, observes: 'kube-proxy', ...options });
      await expect(agent).rejects.toMatchObject({ code: 'invalid' });
    });
  });
}
