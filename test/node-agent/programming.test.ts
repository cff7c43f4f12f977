/** From an object's change to packets that follow it, through the log, the worker, and a node agent. */
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import type { RunningWorkers } from '@signalbox/kit';
import type { NodeAgent } from '@signalbox/node-agent';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import {
  acked,
  FIRST_POD,
  lastAck,
  put,
  putWorld,
  remove,
  SECOND_POD,
  SERVICE_IP,
  startAgent,
  startPlane,
  theNode,
  theService,
  theSlice,
} from './agent-world.ts';

const PROGRAMS = {
  nftables: ['ip', 'nft', 'conntrack'],
  iptables: ['ip', 'nft', 'iptables-restore', 'ip6tables-restore', 'conntrack'],
} as const;

for (const backend of ['nftables', 'iptables'] as const) {
  describeWithPrograms(`a node agent with ${backend}`, PROGRAMS[backend], () => {
    const lab = new NetworkLab(`agent-${backend}`);
    let log: EventLog;
    let plane: RunningWorkers;
    let agent: NodeAgent & { readonly metrics: () => Promise<string> };

    beforeAll(() => lab.open());
    afterAll(() => lab.close());
    beforeEach(async () => {
      log = openSqliteEventLog({ path: ':memory:' });
      plane = await startPlane(log);
      agent = await startAgent(log, lab, { backend });
    });
    afterEach(async () => {
      await agent.stop();
      await plane.stop();
      await log.close();
      lab.run('node', ['nft', 'flush', 'ruleset']);
    });

    const answering = async (protocol: 'tcp' | 'udp' = 'tcp', times = 12) =>
      await lab.probe({ from: 'client', protocol, host: SERVICE_IP, port: 80, times });
    const rules = (): string => lab.run('node', ['nft', 'list', 'ruleset']);

    test('programs a service, and acknowledges the revision', async () => {
      const revision = await putWorld(log);
      expect(await acked(log, revision)).toMatchObject({ backend, skippedServices: 0, error: '', node: 'node-a' });
      for (const protocol of ['tcp', 'udp'] as const)
        expect((await answering(protocol)).endpoints).toEqual([FIRST_POD]);
      expect(agent.readiness()).toEqual({ isReady: true, reason: '' });
    });

    test('follows changes by deltas', async () => {
      await acked(log, await putWorld(log));
      await acked(log, await put(log, theSlice([FIRST_POD, SECOND_POD])));
      expect((await answering()).endpoints).toEqual([FIRST_POD, SECOND_POD]);
      await acked(log, await put(log, theSlice([SECOND_POD])));
      expect((await answering()).endpoints).toEqual([SECOND_POD]);
      await acked(log, await remove(log, theService()));
      expect((await answering('tcp', 1)).outcomes).not.toContain('ok');
      const metrics = await agent.metrics();
      expect(metrics).toMatch(/signalbox_agent_applies_total\{kind="full",outcome="ok"\} 1\n/);
      expect(metrics).toMatch(/signalbox_agent_applies_total\{kind="delta",outcome="ok"\} 3\n/);
      expect(metrics).toMatch(/kubeproxy_network_programming_duration_seconds_count [1-9]/);
    });

    test('keeps open connections when an endpoint is added', async () => {
      await acked(log, await putWorld(log));
      const say = await lab.connect('client', SERVICE_IP, 80);
      await acked(log, await put(log, theSlice([FIRST_POD, SECOND_POD])));
      expect(await say('still here')).toBe('still here');
    });

    test('programs nothing of a cluster that has not synced', async () => {
      await put(log, theService(), theSlice([FIRST_POD]));
      await plane.processAll();
      expect(rules()).toBe('');
      expect(agent.readiness().isReady).toBe(false);
    });

    test('tells a failure, and loads everything once it can', async () => {
      await acked(log, await putWorld(log));
      lab.run('node', ['nft', 'flush', 'ruleset']);
      lab.run('node', ['nft', 'add', 'table', 'ip', 'in-the-way']);
      const revision = await put(log, theSlice([SECOND_POD]));
      await acked(log, revision);
      expect((await answering()).endpoints).toEqual([SECOND_POD]);
      expect(await agent.metrics()).toMatch(/signalbox_agent_applies_total\{kind="delta",outcome="failed"\} 1\n/);
    });

    test('goes on from what an earlier agent programmed', async () => {
      await acked(log, await putWorld(log));
      await agent.stop();
      expect((await answering()).endpoints).toEqual([FIRST_POD]);
      await put(log, theSlice([SECOND_POD]));
      await plane.processAll();
      agent = await startAgent(log, lab, { backend });
      await waitFor('the second agent', async () => ((await lastAck(log))?.revision ?? 0) === plane.revision);
      expect((await answering()).endpoints).toEqual([SECOND_POD]);
    });

    test('deletes the tracked flows of a UDP endpoint that is gone', async () => {
      await acked(log, await putWorld(log));
      await answering('udp');
      const flows = (): string => lab.run('node', ['conntrack', '-L', '-p', 'udp', '--orig-dst', SERVICE_IP]);
      expect(flows()).toContain(FIRST_POD);
      await acked(log, await put(log, theSlice([SECOND_POD])));
      await waitFor('the flows to be gone', () => !flows().includes(FIRST_POD));
    });

    test('deletes them too when the endpoint went while no agent was there', async () => {
      await acked(log, await putWorld(log));
      await answering('udp');
      await agent.stop();
      await put(log, theSlice([SECOND_POD]));
      await plane.processAll();
      agent = await startAgent(log, lab, { backend });
      await waitFor('the second agent', async () => ((await lastAck(log))?.revision ?? 0) === plane.revision);
      const flows = (): string => lab.run('node', ['conntrack', '-L', '-p', 'udp', '--orig-dst', SERVICE_IP]);
      await waitFor('the flows to be gone', () => !flows().includes(FIRST_POD));
    });

    test('follows a node that moves to another zone, at the first attempt', async () => {
      await acked(log, await putWorld(log));
      await put(log, theNode({ labels: { 'topology.kubernetes.io/zone': 'z2' } }));
      await waitFor('the second transaction', async () => {
        const counted = (await agent.metrics()).matchAll(/applies_total\{.*\} (\d+)/g);
        return [...counted].reduce((sum, [, count]) => sum + Number(count), 0) > 1;
      });
      expect(await agent.metrics()).not.toContain('outcome="failed"');
      expect((await answering()).endpoints).toEqual([FIRST_POD]);
    });
  });
}
