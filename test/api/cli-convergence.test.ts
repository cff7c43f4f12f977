/** `signalbox wait` and `signalbox status`, against a real API. */
import { Readable } from 'node:stream';
import { type RunningApi, startApi } from '@signalbox/api';
import { runCli } from '@signalbox/cli';
import { type DriftReport, driftSubject } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decided, holdLease, putTargets, sayOfGroup, WEB } from './target-world.ts';
import {
  aCluster,
  acknowledge,
  acknowledgeDns,
  aNode,
  put,
  putDerivedService,
  quietLogger,
  report,
  watermark,
} from './world.ts';

let log: EventLog;
let api: RunningApi;

beforeEach(async () => {
  log = openSqliteEventLog({ path: ':memory:' });
  const listen = { address: '127.0.0.1', port: 0 };
  api = await startApi({ log, logger: quietLogger, registry: createRegistry() }, { storePath: ':memory:', listen });
});
afterEach(async () => {
  await api.stop();
  await log.close();
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** On a terminal of 80 columns; `onProgress` sees what is written to stderr, as it is written. */
async function signalbox(line: string, onProgress?: (text: string) => void): Promise<Outcome> {
  const text = { out: '', err: '' };
  const stdout = { columns: 80, write: (chunk: string) => (text.out += chunk) };
  const stderr = {
    isTTY: onProgress !== undefined,
    write: (chunk: string) => {
      text.err += chunk;
      onProgress?.(chunk);
    },
  };
  const code = await runCli([...line.split(' '), '--api', api.url], { stdin: Readable.from([]), stdout, stderr });
  if (!/-o json|--help/.test(line)) expect(text.out.split('\n').filter((each) => each.length > 80)).toEqual([]);
  return { code, ...text };
}

describe('wait', () => {
  test('ends at once when every consumer has the newest revision', async () => {
    const revision = await putDerivedService(log, WEB);
    await acknowledge(log, { node: 'node-1', revision });
    await api.processAll();
    expect(await signalbox('wait --revision latest')).toEqual({
      code: 0,
      out: `revision ${revision}\nproxy 1/1 applied\ndns derived (no consumers)\nlb derived (no consumers)\n`,
      err: '',
    });
  });

  test('goes on until the last consumer has it, and shows on a terminal how far it is', async () => {
    const revision = await putDerivedService(log, WEB);
    await acknowledge(log, { node: 'node-1', revision });
    await acknowledge(log, { node: 'node-2', revision: revision - 1 });
    await api.processAll();
    const seen: string[] = [];
    const { code, out } = await signalbox(`wait --revision ${revision} --layer proxy dns --timeout 30s`, (text) => {
      seen.push(text);
      if (seen.length === 1) void acknowledge(log, { node: 'node-2', revision });
    });
    expect([code, out]).toEqual([0, `revision ${revision}\nproxy 2/2 applied\ndns derived (no consumers)\n`]);
    expect(seen[0]).toBe('\r\u001B[Kproxy 1/2 applied, dns derived (no consumers)');
    expect(seen.at(-1)).toBe('\r\u001B[K');
  });

  test('ends with 1 when time is up, and tells who lags or fails and why', async () => {
    const revision = await putDerivedService(log, WEB);
    await acknowledge(log, { node: 'node-1', revision });
    await acknowledge(log, { node: 'node-2', revision: revision - 1, error: 'nft: busy' });
    await acknowledgeDns(log, { consumer: 'dns-1', revision: revision - 1 });
    await api.processAll();
    const { code, out, err } = await signalbox(`wait --revision ${revision} --timeout 1s`);
    expect(code).toBe(1);
    expect(out).toBe(
      [
        'LAYER  CLUSTER  CONSUMER  REVISION  BEHIND  WHY',
        `proxy  c1       node-2    ${revision - 1}         1       nft: busy`,
        `dns    c1       dns-1     ${revision - 1}         1       lags`,
        '',
      ].join('\n'),
    );
    const reached = 'proxy 1/2 applied, dns 0/1 applied, lb derived (no consumers)';
    expect(err).toBe(`signalbox: revision ${revision} is not everywhere after 1 s: ${reached}\n`);
    expect((await signalbox(`wait --revision ${revision} --layer lb`)).code).toBe(0);
  });

  test('of what a layer has not derived, or what is not in the log, says so', async () => {
    const derived = await putDerivedService(log, WEB);
    const revision = await put(log, 'c1', aNode('node-1'));
    await watermark(log, revision, { layers: ['proxy', 'lb'] });
    await api.processAll();
    const { code, err } = await signalbox('wait --revision latest --timeout 1s --layer dns');
    expect([code, err]).toEqual([
      1,
      `signalbox: revision ${revision} is not everywhere after 1 s: dns not derived (at ${derived})\n`,
    ]);
    const future = await signalbox('wait --revision 99 --timeout 1s --layer proxy');
    expect([future.code, future.err]).toEqual([
      1,
      expect.stringContaining(`revision 99 is not in the log yet (newest: ${revision}) after 1 s`),
    ]);
  });

  test('outlives an API that goes away, until time is up', async () => {
    const revision = await putDerivedService(log, WEB);
    await acknowledge(log, { node: 'node-1', revision: revision - 1 });
    await api.processAll();
    let stopped: Promise<void> | undefined;
    const { code, err } = await signalbox('wait --revision latest --timeout 3s', () => {
      stopped ??= api.stop();
    });
    await stopped;
    expect([code, err]).toEqual([3, expect.stringContaining('cannot reach the API')]);
  });

  test('waits for an API that is not there yet', async () => {
    const revision = await putDerivedService(log, WEB);
    const listen = { address: '127.0.0.1', port: Number(new URL(api.url).port) };
    await api.stop();
    let again: Promise<RunningApi> | undefined;
    const { code, out } = await signalbox('wait --revision latest --timeout 30s', (text) => {
      if (text.includes('cannot reach the API'))
        again ??= startApi({ log, logger: quietLogger, registry: createRegistry() }, { storePath: ':memory:', listen });
    });
    api = (await again) ?? api;
    expect([code, out]).toEqual([0, expect.stringContaining(`revision ${revision}\n`)]);
  });

  test('refuses what is no revision, layer, time or cluster', async () => {
    await putDerivedService(log, WEB);
    await api.processAll();
    expect((await signalbox('wait')).code).toBe(2);
    expect((await signalbox('wait --revision newest')).code).toBe(2);
    expect((await signalbox('wait --revision 1 --layer tls')).code).toBe(2);
    expect((await signalbox('wait --revision 1 --timeout soon')).code).toBe(2);
    expect((await signalbox('wait --revision 1 --cluster nowhere')).code).toBe(4);
  });
});

async function reportDrift(parts: Partial<DriftReport> & { node: string }): Promise<void> {
  const whole: DriftReport = {
    cluster: 'c1',
    backend: 'nftables',
    owner: 'signalbox',
    revision: 7,
    checkedAtMs: 1_772_352_000_000,
    differences: [],
    totals: { added: 0, missing: 0, changed: 0 },
    unreadable: 0,
    repaired: false,
    error: '',
    ...parts,
  };
  await log.append('status', { subject: driftSubject('c1', parts.node), data: JSON.stringify(whole) });
}

describe('status', () => {
  test('shows clusters, layers, who is behind, load balancers and drift on 80 columns', async () => {
    await put(log, 'c1', aCluster('c1'));
    for (const name of ['node-1', 'node-2']) await put(log, 'c1', aNode(name));
    await report(log, { cluster: 'c1', state: 'unreachable', message: 'it does not answer' });
    const revision = await putDerivedService(log, WEB);
    await acknowledge(log, { node: 'node-1', revision });
    await acknowledge(log, { node: 'node-2', revision: revision - 2, error: `nft: ${'long story '.repeat(20)}` });
    const index = await putTargets(log, WEB, ['10.0.0.1'], { revision, loadBalancerClass: 'example.com/f5' });
    await sayOfGroup(log, WEB, { index, revision }, 'example.com/f5');
    await holdLease(log, { holder: 'f5-a', renewedAtMs: Date.now() }, 'example.com/f5');
    await decided(log, revision);
    await reportDrift({ node: 'node-1' });
    await reportDrift({ node: 'node-2', totals: { added: 1, missing: 2, changed: 0 } });
    await api.processAll();
    const { code, out } = await signalbox('status');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      `revision ${revision}, derived by all layers: ${revision}, applied by all consumers: ${revision - 2}`,
      '',
      'CLUSTER  SYNCED  SERVICES  NODES  STATUS',
      'c1       yes     1         2      Service unreachable: it does not answer',
      '',
      'LAYER  DERIVED  APPLIED  BY ALL  FAILING  SKIPPED  SLOWEST',
      `proxy  ${revision}        1/2      ${revision - 2}       1        0        node-2, 2 behind`,
      `dns    ${revision}        -        -       0        0        no consumers`,
      `lb     ${revision}        1/1      ${revision}       0        0        -`,
      '',
      'LAYER  CLUSTER  CONSUMER  REVISION  BEHIND  WHY',
      expect.stringMatching(/^proxy {2}c1 {7}node-2 {4}\d {9}2 {7}nft: long story [a-z ]+…$/),
      '',
      'CLASS           CONTROLLER  LEASE  GROUPS  DONE  FAILING  ACTIVE  PAUSED',
      'example.com/f5  f5-a        held   1       1     0        1       -',
      '',
      'DRIFT ON NODE  CLUSTER  ADDED  MISSING  CHANGED  REPAIRED  ERROR',
      'node-2         c1       1      2        0        -         -',
      '',
    ]);
    const json = JSON.parse((await signalbox('status -o json')).out) as Record<string, unknown>;
    expect(Object.keys(json)).toEqual(['convergence', 'clusters', 'loadBalancers', 'drift']);
  });

  test('before anything is derived says what there is, and many rows are cut', async () => {
    await api.processAll();
    const { code, out } = await signalbox('status');
    expect(code).toBe(0);
    expect(out).toContain('No clusters.');
    expect(out).toContain('Load balancers: nothing is decided yet.');
    for (let cluster = 0; cluster < 11; cluster++)
      await put(log, `a-rather-long-cluster-name-${cluster}`, aCluster(`a-rather-long-cluster-name-${cluster}`));
    await api.processAll();
    const filled = await signalbox('status');
    expect(filled.out).toContain('… and 3 more');
    expect(filled.out).toContain('a-rather-lon…ter-name-10');
  });
});

test.each(['wait', 'status'])('the help of %s has examples', async (command) => {
  const { code, out } = await signalbox(`${command} --help`);
  expect(code).toBe(0);
  expect(out).toContain(`Examples:\n  signalbox ${command}`);
});
