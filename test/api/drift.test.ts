/** A node's report from the log to the store, the API and the command line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApi } from '@signalbox/api';
import { runCli } from '@signalbox/cli';
import { type DriftReport, driftSubject, type List, type NodeDrift, type NodeDriftSummary } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { aNode, openWorld, put, putDerivedService, quietLogger, remove, report as reportSource } from './world.ts';

function aReport(parts: Partial<DriftReport> = {}): DriftReport {
  return {
    cluster: 'c1',
    node: 'node-a',
    backend: 'nftables',
    owner: 'signalbox',
    revision: 2,
    checkedAtMs: 1_772_352_000_000,
    differences: [
      {
        family: 'IPv4',
        service: 'shop/web:http',
        what: 'missing',
        where: 'nat',
        at: 'tcp 10.96.0.20:80',
        expected: '10.244.1.5:8080',
        actual: '',
      },
    ],
    totals: { added: 0, missing: 1, changed: 0 },
    unreadable: 0,
    repaired: false,
    error: '',
    ...parts,
  };
}

/** Also makes the node, without which nobody would ask for its report. */
async function tell(log: EventLog, report: DriftReport): Promise<void> {
  await put(log, report.cluster, aNode(report.node));
  const subject = driftSubject(report.cluster, report.node);
  await log.append('status', { subject, data: JSON.stringify(report) });
}

test('the last report of a node is answered, with its time as text', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  await tell(world.log, aReport({ totals: { added: 9, missing: 9, changed: 9 } }));
  await tell(world.log, aReport());
  await world.projector.processAll();
  const { status, body } = await ask<NodeDrift>(api, '/v1/clusters/c1/nodes/node-a/drift');
  const { checkedAtMs: _checkedAtMs, ...expected } = aReport();
  expect(status).toBe(200);
  expect(body).toEqual({ ...expected, checkedAt: '2026-03-01T08:00:00.000Z' });
});

test('the report of a node that its cluster no longer has is not told', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  await putDerivedService(world.log, { cluster: 'c1', namespace: 'shop', name: 'web' });
  await tell(world.log, aReport());
  await tell(world.log, aReport({ node: 'node-b' }));
  await remove(world.log, 'c1', aNode('node-a'));
  await world.projector.processAll();
  expect((await ask(api, '/v1/clusters/c1/nodes/node-a/drift')).status).toBe(404);
  const { body } = await ask<List<NodeDriftSummary>>(api, '/v1/drift');
  expect(body.items.map(({ node }) => node)).toEqual(['node-b']);
});

test('a node that has reported nothing is not found', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  const { status, body } = await ask(api, '/v1/clusters/c1/nodes/node-a/drift');
  expect([status, body.code]).toEqual([404, 'not_found']);
});

test('nodes are listed by cluster and name, page by page', async () => {
  await using world = await openWorld();
  using api = openApi(world);
  await putDerivedService(world.log, { cluster: 'c1', namespace: 'shop', name: 'web' });
  for (const [cluster, node] of [
    ['c2', 'a'],
    ['c1', 'b'],
    ['c1', 'a'],
  ] as const) {
    await tell(world.log, aReport({ cluster, node }));
  }
  await world.projector.processAll();
  const names = ({ items }: List<NodeDriftSummary>): string[] => items.map(({ cluster, node }) => `${cluster}/${node}`);
  const first = await ask<List<NodeDriftSummary>>(api, '/v1/drift?limit=2');
  expect(names(first.body)).toEqual(['c1/a', 'c1/b']);
  expect(first.body.items[0]).not.toHaveProperty('differences');
  const second = await ask<List<NodeDriftSummary>>(api, `/v1/drift?limit=2&next=${first.body.next}`);
  expect([names(second.body), second.body.next]).toEqual([['c2/a'], null]);
  const ofOne = await ask<List<NodeDriftSummary>>(api, '/v1/drift?cluster=c1&limit=1');
  expect(names(ofOne.body)).toEqual(['c1/a']);
  const rest = await ask<List<NodeDriftSummary>>(api, `/v1/drift?cluster=c1&limit=1&next=${ofOne.body.next}`);
  expect(names(rest.body)).toEqual(['c1/b']);
});

test('reports stand beside what sources say, survive a restart, and go with their tombstone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-drift-'));
  const path = join(folder, 'store.db');
  const log = openSqliteEventLog({ path: ':memory:' });
  {
    await using world = await openWorld({ log, path });
    await reportSource(log, { cluster: 'c1' });
    await tell(log, aReport());
    await tell(log, aReport({ node: 'node-b' }));
    await world.projector.processAll();
    expect(world.projector.stats().dropped).toBe(0);
  }
  await log.append('status', { subject: driftSubject('c1', 'node-b'), data: null });
  {
    await using world = await openWorld({ log, path });
    using api = openApi(world);
    expect((await ask(api, '/v1/clusters/c1/nodes/node-a/drift')).status).toBe(200);
    expect((await ask(api, '/v1/clusters/c1/nodes/node-b/drift')).status).toBe(404);
  }
  await log.close();
  rmSync(folder, { recursive: true });
});

test('a report that cannot be read is left out and counted', async () => {
  await using world = await openWorld();
  const data = JSON.stringify({ ...aReport(), backend: 'ebpf' });
  await world.log.append('status', { subject: driftSubject('c1', 'node-a'), data });
  await world.projector.processAll();
  expect(world.projector.stats().dropped).toBe(1);
});

test('the command line shows which nodes are off, and one node in detail', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-drift-'));
  const log = openSqliteEventLog({ path: ':memory:' });
  await tell(log, aReport({ totals: { added: 0, missing: 140, changed: 0 } }));
  await putDerivedService(log, { cluster: 'c1', namespace: 'shop', name: 'web' });
  const listen = { address: '127.0.0.1', port: 0 };
  const context = { log, logger: quietLogger, registry: createRegistry() };
  const api = await startApi(context, { storePath: join(folder, 'store.db'), listen });
  await api.processAll();
  const run = async (...args: string[]): Promise<readonly [code: number, text: string]> => {
    let text = '';
    const stream = { write: (part: string) => (text += part) };
    const code = await runCli(['get', 'drift', '--api', api.url, ...args], {
      stdin: process.stdin,
      stdout: stream,
      stderr: stream,
    });
    return [code, text];
  };
  const [, list] = await run();
  expect(list).toMatch(
    /^CLUSTER +NODE +BACKEND +RULES OF +ADDED +MISSING +CHANGED +REPAIRED +REVISION +CHECKED +ERROR\nc1 +node-a +nftables +signalbox +0 +140 +0 +- +2 +2026-03-01T08:00:00.000Z +-\n$/,
  );
  const [code, detail] = await run('node-a');
  expect(code).toBe(0);
  expect(detail).toMatch(/shop\/web:http +missing +nat +tcp 10\.96\.0\.20:80 +10\.244\.1\.5:8080 +-/);
  expect(detail).toContain('139 more differences are not listed.');
  expect(await run('node-x')).toEqual([4, 'signalbox: no node node-x has reported on its kernel\n']);
  await api.stop();
  await log.close();
  rmSync(folder, { recursive: true });
});
