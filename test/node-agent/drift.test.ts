/** Somebody changes the rules of a node behind the agent's back: it says what differs, and puts it right. */
import { type DriftReport, driftReportSchema, driftSubject } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import type { RunningWorkers } from '@signalbox/kit';
import type { NodeAgent } from '@signalbox/node-agent';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Tail, waitFor } from '../harness/event-log-tail.ts';
import { aService, aSlice } from '../harness/objects.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import { acked, CLUSTER, FIRST_POD, NODE, put, putWorld, SERVICE_IP, startAgent, startPlane } from './agent-world.ts';

const EMPTY_IP = '10.96.0.20';

/** Somebody's commands, and the difference that is to be told of them. */
interface Damage {
  readonly name: string;
  readonly commands: readonly string[];
  readonly difference: Partial<DriftReport['differences'][number]>;
}

const DAMAGES: Readonly<Record<'nftables' | 'iptables', readonly Damage[]>> = {
  nftables: [
    {
      name: 'an element of nat is deleted',
      commands: [`nft delete element ip signalbox service-ips { ${SERVICE_IP} . tcp . 80 }`],
      difference: { service: 'shop/web:http', what: 'missing', where: 'nat', at: `tcp ${SERVICE_IP}:80` },
    },
    {
      name: 'an element of the filter is deleted',
      commands: [`nft delete element ip signalbox service-verdicts { ${EMPTY_IP} . tcp . 80 }`],
      difference: { service: 'shop/empty:http', what: 'missing', where: 'filter', expected: 'reject' },
    },
    {
      name: 'the table is flushed',
      commands: ['nft flush table ip signalbox'],
      difference: { service: '', what: 'missing', at: 'chain nat-prerouting' },
    },
    {
      name: 'a rule is added',
      commands: [`nft insert rule ip signalbox services ip daddr ${SERVICE_IP} drop`],
      difference: { service: '', what: 'added', at: 'chain services', actual: `ip daddr ${SERVICE_IP} drop` },
    },
  ],
  iptables: [
    {
      name: 'a chain of nat is emptied',
      commands: ['iptables -t nat -F KUBE-SERVICES'],
      difference: { service: 'shop/web:http', what: 'missing', where: 'nat', at: `tcp ${SERVICE_IP}:80` },
    },
    {
      name: 'a chain of the filter is emptied',
      commands: ['iptables -F KUBE-SERVICES'],
      difference: { service: 'shop/empty:http', what: 'missing', where: 'filter', expected: 'reject' },
    },
    {
      name: 'the table is flushed',
      commands: ['iptables -t nat -F'],
      difference: { service: '', what: 'missing', at: expect.stringContaining('PREROUTING') as string },
    },
    {
      name: 'a rule is added',
      commands: [`iptables -t nat -I KUBE-SERVICES -d ${SERVICE_IP} -j ACCEPT`],
      difference: { service: '', what: 'added', at: 'chain nat KUBE-SERVICES' },
    },
  ],
};

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = ['ip', 'nft', 'iptables-restore', 'ip6tables-restore', 'iptables-save'];
  describeWithPrograms(`drift of a node with ${backend}`, programs, () => {
    const lab = new NetworkLab(`drift-${backend}`);
    let log: EventLog;
    let plane: RunningWorkers;
    let agent: NodeAgent & { readonly metrics: () => Promise<string> };
    let told: Tail;

    beforeAll(() => lab.open());
    afterAll(() => lab.close());
    beforeEach(async () => {
      log = openSqliteEventLog({ path: ':memory:' });
      told = new Tail(log, { from: 'snapshot', filter: driftSubject(CLUSTER, NODE) }, 'status');
      plane = await startPlane(log);
    });
    afterEach(async () => {
      await agent.stop();
      await told.stop();
      await plane.stop();
      await log.close();
      lab.run('node', ['nft', 'flush', 'ruleset']);
    });

    const reports = (): DriftReport[] =>
      told.messages.map(({ data }) => driftReportSchema.parse(JSON.parse(data ?? 'null')));
    const programmed = async (driftIntervalMs: number): Promise<void> => {
      agent = await startAgent(log, lab, { backend, driftIntervalMs });
      await putWorld(log);
      await acked(log, await put(log, aService('empty', { clusterIPs: [EMPTY_IP] }), aSlice('empty', [])));
    };
    const equalReports = (): DriftReport[] =>
      reports().filter(
        ({ totals: { added, missing, changed }, error }) => error === '' && added + missing + changed === 0,
      );
    const answering = async () =>
      await lab.probe({ from: 'client', protocol: 'tcp', host: SERVICE_IP, port: 80, times: 2 });

    test.for(DAMAGES[backend])('$name: told, and repaired', async ({ commands, difference }) => {
      await programmed(100);
      await waitFor('a kernel without differences', () => reports().length > 0);
      expect(reports()).toMatchObject([{ differences: [], owner: 'signalbox', backend, error: '', unreadable: 0 }]);
      for (const command of commands) lab.run('node', command.split(' '));
      await waitFor('a repair', () => reports().some(({ repaired }) => repaired));
      const [found] = reports().filter(({ repaired }) => repaired);
      expect(found?.differences).toContainEqual(expect.objectContaining(difference));
      await waitFor('no differences any more', () => equalReports().length === 2);
      expect(await answering()).toMatchObject({ outcomes: ['ok'], endpoints: [FIRST_POD] });
      expect(await agent.metrics()).toMatch(/signalbox_drift_repairs_total 1\n/);
    });

    test('is found without waiting for the timer', async () => {
      await programmed(3_600_000);
      const [damage] = DAMAGES[backend];
      for (const command of damage?.commands ?? []) lab.run('node', command.split(' '));
      await waitFor('a repair', () => reports().some(({ repaired }) => repaired));
      expect(await answering()).toMatchObject({ outcomes: ['ok'], endpoints: [FIRST_POD] });
    });

    test('own changes are none, and what other tables do is not ours', async () => {
      await programmed(20);
      lab.run('node', ['nft', 'add', 'table', 'ip', 'mine']);
      lab.run('node', ['nft', 'add', 'chain', 'ip', 'mine', 'own', '{ type filter hook input priority 0 ; }']);
      for (let host = 11; host < 31; host += 1) await acked(log, await put(log, aSlice('web', [`10.244.1.${host}`])));
      const checks = async () => Number(/checks_total\{outcome="equal"\} (\d+)/.exec(await agent.metrics())?.[1] ?? 0);
      const before = await checks();
      await waitFor('more checks', async () => (await checks()) > before + 3);
      expect(equalReports()).toEqual(reports());
      expect(await agent.metrics()).toMatch(/signalbox_agent_applies_total\{kind="full",outcome="ok"\} 1\n/);
      expect(lab.run('node', ['nft', 'list', 'tables'])).toContain('table ip mine');
    });
  });
}
