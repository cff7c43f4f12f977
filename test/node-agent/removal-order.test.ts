/** An address leaves the rules of a node after DNS servers and load balancers: what packets meet meanwhile. */
import { type Ack, ackSubject, driftReportSchema, driftSubject, type LbDriverAck } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import type { RunningWorkers } from '@signalbox/kit';
import type { NodeAgentOptions } from '@signalbox/node-agent';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { aService, aSlice } from '../harness/objects.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import {
  acked,
  CLUSTER,
  FIRST_POD,
  NODE,
  put,
  putWorld,
  remove,
  SECOND_POD,
  SERVICE_IP,
  startAgent,
  startPlane,
  theService,
  theSlice,
} from './agent-world.ts';

const EXTERNAL_IP = '203.0.113.7';
/** Longer than a test. */
const LONG_MS = 600_000;

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = ['ip', 'nft', 'iptables-restore', 'ip6tables-restore', 'iptables-save', 'conntrack'];
  describeWithPrograms(`the order of removals with ${backend}`, programs, () => {
    const lab = new NetworkLab(`order-${backend}`);
    let log: EventLog;
    let plane: RunningWorkers;
    let agent: Awaited<ReturnType<typeof startAgent>>;

    beforeAll(() => lab.open());
    afterAll(() => lab.close());
    beforeEach(async () => {
      log = openSqliteEventLog({ path: ':memory:' });
      plane = await startPlane(log);
    });
    afterEach(async () => {
      await agent.stop();
      await plane.stop();
      await log.close();
      lab.run('node', ['nft', 'flush', 'ruleset']);
    });

    const begin = async (options: Partial<NodeAgentOptions> = {}): Promise<void> => {
      agent = await startAgent(log, lab, { backend, lingerLimitMs: LONG_MS, ...options });
    };
    const endpoints = async (host = SERVICE_IP, times = 12) =>
      (await lab.probe({ from: 'client', protocol: 'tcp', host, port: 80, times })).endpoints;
    const metric = async (name: string): Promise<number> => {
      const line = (await agent.metrics()).split('\n').find((text) => text.startsWith(`signalbox_agent_${name} `));
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const lingering = () => metric('lingering_entries');
    const ended = (end: string) => metric(`lingering_ended_total{end="${end}"}`);

    test('a Service that is gone is answered for until the DNS server has followed', async () => {
      await begin();
      const created = await putWorld(log);
      await acknowledge(log, dnsServer(created));
      await acked(log, created);
      const revision = await remove(log, theService());
      expect(await acked(log, revision)).toMatchObject({ skippedServices: 0 });
      expect(await lingering()).toBe(2);
      expect(await endpoints()).toEqual([FIRST_POD]);

      await acknowledge(log, dnsServer(revision));
      await waitFor(
        'the rules to go',
        async () => (await lingering()) === 0 && (await endpoints(SERVICE_IP, 1)).length === 0,
      );
      expect(await ended('acknowledged')).toBe(2);
    });

    test('a DNS server that is dead is waited for no longer than the limit, and once only', async () => {
      await begin({ lingerLimitMs: 1_500 });
      const created = await putWorld(log);
      await acknowledge(log, dnsServer(created, 'dead'));
      await acknowledge(log, dnsServer(created + 1_000, 'alive'));
      await acked(log, created);
      await acked(log, await remove(log, theService()));
      expect(await lingering()).toBe(2);
      await waitFor(
        'the rules to go',
        async () => (await lingering()) === 0 && (await endpoints(SERVICE_IP, 1)).length === 0,
      );
      expect(await ended('time-limit')).toBe(2);

      await acked(log, await put(log, theService()));
      expect(await endpoints()).toEqual([FIRST_POD]);
      await acked(log, await remove(log, theService()));
      expect(await endpoints(SERVICE_IP, 1)).toEqual([]);
      expect([await ended('time-limit'), await ended('acknowledged')]).toEqual([2, 2]);
    });

    test('a DNS server that takes its word back is not waited for', async () => {
      await begin();
      const created = await putWorld(log);
      await acknowledge(log, dnsServer(created));
      await acked(log, created);
      await acked(log, await remove(log, theService()));
      await log.append('status', { subject: ackSubject(dnsServer(created)), data: null });
      await waitFor('the rules to go', async () => (await endpoints(SERVICE_IP, 1)).length === 0);
    });

    test('without DNS servers and load balancers a Service that is gone is gone at once', async () => {
      await begin();
      await acked(log, await putWorld(log));
      await acked(log, await remove(log, theService()));
      expect(await endpoints(SERVICE_IP, 1)).toEqual([]);
    });

    test('an address that lingers is its next owner’s at once', async () => {
      await begin();
      const created = await putWorld(log);
      await acknowledge(log, dnsServer(created));
      await acked(log, created);
      await acked(log, await remove(log, theService()));
      expect(await endpoints()).toEqual([FIRST_POD]);
      const other = { ...aService('other'), spec: theService().spec };
      const slice = { ...theSlice([SECOND_POD]), ...nameOf(aSlice('other', [SECOND_POD])) };
      expect(await acked(log, await put(log, other, slice))).toMatchObject({ skippedServices: 0 });
      expect(await endpoints()).toEqual([SECOND_POD]);
      expect([await lingering(), await ended('taken')]).toEqual([0, 2]);
    });

    test('an external IP that is taken away waits for the load balancer, and follows the endpoints', async () => {
      await begin();
      await putWorld(log);
      const created = await put(log, theService({ externalIPs: [EXTERNAL_IP] }));
      await acknowledge(log, driver(created));
      await acked(log, created);
      const revision = await put(log, theService());
      await acked(log, revision);
      expect(await endpoints(EXTERNAL_IP)).toEqual([FIRST_POD]);
      await acked(log, await put(log, theSlice([SECOND_POD])));
      expect(await endpoints(EXTERNAL_IP)).toEqual([SECOND_POD]);

      await acknowledge(log, driver(revision));
      await waitFor('the rules to go', async () => (await endpoints(EXTERNAL_IP, 1)).length === 0);
      expect(await endpoints()).toEqual([SECOND_POD]);
    });

    test('what lingers is no drift, and a full load keeps it; the next agent does not know it', async () => {
      await begin({ driftIntervalMs: 50 });
      const created = await putWorld(log);
      await acknowledge(log, dnsServer(created));
      await acked(log, created);
      const revision = await remove(log, theService());
      await acked(log, revision);
      lab.run('node', ['nft', 'flush', 'ruleset']);
      await waitFor('the repair', async () => (await endpoints(SERVICE_IP, 1)).length === 1);
      await waitFor('a report without differences', async () => {
        const message = await log.last('status', driftSubject(CLUSTER, NODE));
        if (message === undefined) return false;
        const report = driftReportSchema.parse(JSON.parse(message.data ?? 'null'));
        return report.revision === revision && report.differences.length === 0;
      });

      await agent.stop();
      await begin();
      await waitFor('the next agent', async () => (await metric('applied_revision')) === revision);
      expect(await endpoints(SERVICE_IP, 1)).toEqual([]);
    });
  });
}

function dnsServer(revision: number, consumer = 'dns-1'): Ack {
  return { kind: 'dns-server', layer: 'dns', consumer, revision, ...COMMON };
}

function driver(revision: number): LbDriverAck {
  return { kind: 'lb-driver', layer: 'lb', consumer: 'haproxy', loadBalancerClass: '', revision, ...COMMON };
}

const COMMON = { cluster: CLUSTER, appliedAtMs: 1, error: '', skippedServices: 0 };

async function acknowledge(log: EventLog, ack: Ack): Promise<void> {
  await log.append('status', { subject: ackSubject(ack), data: JSON.stringify(ack) });
}

function nameOf({ metadata }: ReturnType<typeof aSlice>): Pick<ReturnType<typeof aSlice>, 'metadata'> {
  return { metadata };
}
