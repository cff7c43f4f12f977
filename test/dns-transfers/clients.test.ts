/** dig and kdig: signed questions, transfers of either kind, and every way to be refused. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TsigAlgorithm, TsigKey } from '@signalbox/zones';
import { afterEach, describe, expect } from 'vitest';
import { waitFor } from '../dns/dns-harness.ts';
import { programTest } from '../harness/programs.ts';
import { digText, KEY, serialOf } from './peers/peer.ts';
import { aTransferLab, cleanUp, DIG_KEY, TEST_KEY, type TransferLab } from './transfer-lab.ts';

afterEach(cleanUp);

const ALGORITHMS: readonly [TsigAlgorithm, fullBytes: number][] = [
  ['hmac-sha256', 32],
  ['hmac-sha384', 48],
  ['hmac-sha512', 64],
];

async function aLab(keys: readonly TsigKey[] = [TEST_KEY]): Promise<TransferLab> {
  const lab = await aTransferLab({ tsigKeys: keys });
  await lab.services.create(600);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  return lab;
}

/** Changes the zone and returns the serial before. */
async function change(lab: TransferLab, count: number): Promise<number> {
  const before = lab.services.revision;
  await lab.services.change(count);
  const isServed = async () =>
    (await digText(lab.port, ['+short', 'cluster.local', 'SOA'])).stdout.includes(` ${before + count} `);
  await waitFor(isServed, 'the change');
  return before;
}

describe('signed questions', () => {
  for (const [algorithm, fullBytes] of ALGORITHMS) {
    for (const macBytes of [fullBytes, fullBytes / 2]) {
      const bits = macBytes === fullBytes ? '' : `-${macBytes * 8}`;
      programTest('dig', `verifies answers by ${algorithm}${bits}, over UDP and TCP`, async () => {
        const { port } = await aLab([{ ...TEST_KEY, algorithm, macBytes }]);
        for (const transport of ['+notcp', '+tcp']) {
          const key = ['-y', `${algorithm}${bits}:${KEY.name}:${KEY.secret}`];
          const { stdout } = await digText(port, [...key, transport, 'cluster.local', 'NS']);
          expect(stdout).toContain('status: NOERROR');
          expect(stdout).toContain('TSIG PSEUDOSECTION');
          expect(stdout).not.toMatch(/could not be validated|couldn't verify|tsig verify failure/i);
        }
      });
    }
  }

  programTest('kdig', 'verifies a whole zone of several messages', async () => {
    const { port } = await aLab();
    const { stdout } = await kdig(port, [
      '-y',
      `${KEY.algorithm}:${KEY.name}:${KEY.secret}`,
      '-t',
      'AXFR',
      'cluster.local',
    ]);
    const [, messages = '0'] = /Received \d+ B \((\d+) messages/.exec(stdout) ?? [];
    expect(Number(messages)).toBeGreaterThan(3);
    expect(stdout).not.toMatch(/;; (?:warning|error)/i);
  });
});

describe('incremental transfers', () => {
  programTest('kdig', 'gets what changed, over TCP and over UDP', async () => {
    const lab = await aLab();
    await change(lab, 1);
    const before = await change(lab, 3);
    const signed = ['-y', `${KEY.algorithm}:${KEY.name}:${KEY.secret}`];
    const args = [...signed, '+noall', '+answer', '-t', `IXFR=${before}`, 'cluster.local'];
    const overTcp = (await kdig(lab.port, ['+tcp', ...args])).stdout
      .split('\n')
      .filter((line) => line.includes('\tIN\t'));
    expect(overTcp.filter((line) => line.includes('SOA')).length).toBe(4);
    const overUdp = await digText(lab.port, [
      ...DIG_KEY,
      '+notcp',
      '+noall',
      '+answer',
      'cluster.local',
      `IXFR=${before}`,
    ]);
    expect(overUdp.stdout.split('\n').filter((line) => line.includes('SOA')).length).toBe(4);
  });

  programTest('dig', 'is told over UDP to come over TCP for what does not fit, and gets it whole', async () => {
    const lab = await aLab();
    const ask = (transport: string) =>
      digText(lab.port, [...DIG_KEY, transport, '+noall', '+answer', 'cluster.local', 'IXFR=1']);
    await change(lab, 1);
    expect((await ask('+notcp')).stdout.trim().split('\n')).toHaveLength(1);
    expect((await ask('+tcp')).stdout.split('\n').length).toBeGreaterThan(1000);
  });

  programTest('dig', 'that has the serial, or a later one, gets the lone SOA', async () => {
    const lab = await aLab();
    for (const serial of [1, 7]) {
      const { stdout } = await digText(lab.port, [
        ...DIG_KEY,
        '+tcp',
        '+noall',
        '+answer',
        'cluster.local',
        `IXFR=${serial}`,
      ]);
      expect(stdout.trim().split('\n')).toHaveLength(1);
    }
  });
});

describe('replicas', () => {
  programTest('dig', 'sees one serial and one zone at all of them, after a restart too', async () => {
    const lab = await aLab();
    await change(lab, 20);
    const other = await lab.replica();
    await waitFor(() => other.server.readiness().isReady, 'the replica to be ready');
    const again = await lab.restart();
    await waitFor(() => again.server.readiness().isReady, 'the server to be back');
    expect(await serialOf(other.port)).toBe(lab.services.revision);
    expect(await serialOf(again.port)).toBe(lab.services.revision);
    expect(await other.lines()).toEqual(await again.lines());
    expect((await other.lines()).length).toBeGreaterThan(1000);
  });
});

describe('refusals', () => {
  const SECRET = Buffer.from('another secret of some length').toString('base64');
  programTest('dig', 'sees why', async () => {
    const { port } = await aLab();
    for (const [args, expected] of [
      [['cluster.local', 'AXFR'], 'Transfer failed'],
      [['-y', `hmac-sha256:${KEY.name}:${SECRET}`, 'cluster.local', 'SOA'], 'BADSIG'],
      [['-y', `hmac-sha256:other.example:${SECRET}`, 'cluster.local', 'SOA'], 'BADKEY'],
      [['-y', `hmac-sha512:${KEY.name}:${KEY.secret}`, 'cluster.local', 'SOA'], 'BADKEY'],
      [['-y', `hmac-sha256-128:${KEY.name}:${KEY.secret}`, 'cluster.local', 'SOA'], 'BADTRUNC'],
      [[...DIG_KEY, 'example.com', 'AXFR'], 'Transfer failed'],
    ] as const) {
      const { stdout } = await digText(port, [...args]).catch((error: unknown) => error as { stdout: string });
      expect([args, stdout]).toEqual([args, expect.stringContaining(expected)]);
    }
  });
});

async function kdig(port: number, args: readonly string[]): Promise<{ stdout: string }> {
  return await promisify(execFile)('kdig', ['@127.0.0.1', '-p', `${port}`, ...args], { maxBuffer: 64 * 1024 * 1024 });
}
