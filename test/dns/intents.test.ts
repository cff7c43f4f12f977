/** Own zones as somebody at a terminal makes them, and as programs of others see them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { CLI, type RunningProcess, signalbox, startProcess, temporaryFolder } from '../harness/signalbox.ts';
import { dig } from './dig.ts';

const run = promisify(execFile);
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let up: RunningProcess;
let api = '';
let port = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  const manifests = ['--manifests', 'shop=examples/shop', '--data-dir', join(folder.path, 'data')];
  up = startProcess([CLI, 'up', ...manifests, '--api-listen', '127.0.0.1:0', '--dns-listen', '127.0.0.1:0']);
  const [, url = '', dns = ''] = await up.waitFor(/ready, API (\S+), DNS (\S+)/);
  api = url;
  port = Number(dns.split(':').at(-1));
});

afterAll(async () => {
  await up.stop();
  await folder.remove();
});

async function dns(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await signalbox(['dns', ...args, '--api', api]);
  expect([args, code, stderr]).toEqual([args, 0, '']);
  return stdout;
}

/** Waits until the DNS server answers for the revision that the command printed. */
async function served(printed: string): Promise<void> {
  const revision = Number(/revision (\d+)/.exec(printed)?.[1]);
  expect(revision).toBeGreaterThan(0);
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const [answer] = await dig(port, [{ name: 'example.com.', type: 'SOA' }]);
    if (Number(answer?.answer[0]?.split(' ')[6]) >= revision) return;
  }
  throw new Error(`the DNS server did not come to revision ${revision}`);
}

programTest('dig', 'sees what the examples of the help make', async () => {
  const { stdout } = await signalbox(['dns', '--help']);
  const examples = [...stdout.matchAll(/^ {2}signalbox dns (set.*)$/gm)].map((match) => match[1] ?? '');
  expect(examples.length).toBeGreaterThan(4);
  let printed = '';
  for (const example of examples) {
    const args = [...example.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare = '']) => quoted ?? bare);
    printed = await dns(...args);
  }
  await served(printed);
  const questions = [
    { name: 'example.com.', type: 'MX' },
    { name: 'www.example.com.', type: 'A' },
    { name: 'nosuch.example.com.', type: 'A' },
  ];
  const [mx, www, none] = await dig(port, questions);
  expect(mx?.answer).toEqual([
    'example.com. 300 IN MX 10 mail.example.com.',
    'example.com. 300 IN MX 20 mail2.example.com.',
  ]);
  expect(www?.answer[0]).toMatch(
    /^shop\.example\.com\. 300 IN A |^www\.example\.com\. 300 IN CNAME shop\.example\.com\./,
  );
  expect(none?.status).toBe('NXDOMAIN');
});

programTest('dig', 'gets weighted answers, one set at a time', async () => {
  const questions = Array.from({ length: 200 }, () => ({ name: 'api.example.com.', type: 'A' }));
  const answers = (await dig(port, questions)).map(({ answer }) => answer.map((line) => line.split(' ').at(-1)).join());
  expect(new Set(answers)).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
  const share = answers.filter((one) => one === '192.0.2.1').length;
  // 180 are to be expected; with fewer than 140 the chance is below one in a trillion.
  expect(share).toBeGreaterThan(140);
});

programTest('named-checkzone', 'accepts the zone, and kdig transfers it', async () => {
  const text = await (await fetch(`${api}/v1/zones/example.com?format=text`)).text();
  const scratch = await mkdtemp(join(tmpdir(), 'signalbox-zone-'));
  try {
    await writeFile(join(scratch, 'zone'), text);
    const { stdout } = await run('named-checkzone', ['-k', 'fail', '-n', 'fail', 'example.com', join(scratch, 'zone')]);
    expect(stdout).toContain('OK');
  } finally {
    await rm(scratch, { recursive: true });
  }
  const { stdout } = await run('kdig', [
    '@127.0.0.1',
    '-p',
    `${port}`,
    '+noall',
    '+answer',
    '-t',
    'AXFR',
    'example.com.',
  ]);
  const lines = (all: string) =>
    all
      .split('\n')
      .map((line) => line.split(/\s+/).join(' ').trim())
      .filter((line) => /^\S+ \d+ IN /.test(line));
  expect([...new Set(lines(stdout))].sort()).toEqual(lines(text).sort());
});

test('a name is resolved with its origin, listed, and taken back', async () => {
  const resolved = await signalbox(['resolve', 'www.example.com', '-n', 'shop', '-t', 'CNAME', '--api', api]);
  expect(resolved.stdout).toMatch(/CNAME shop\.example\.com\. +from DnsRecords www\.example\.com\.cname, revision \d+/);
  expect(await dns('list')).toMatch(/shop\.example\.com +ALIAS .* shop\/storefront-public/);
  await served(await dns('delete', 'www.example.com', 'CNAME'));
  const again = await signalbox(['dns', 'delete', 'www.example.com', 'CNAME', '--api', api]);
  expect([again.code, again.stderr]).toEqual([4, 'signalbox: there is no DnsRecords called www.example.com.cname\n']);
  const wrong = await signalbox(['dns', 'set', 'a.example.com', 'A', 'bogus', '--api', api]);
  expect([wrong.code, wrong.stderr]).toEqual([2, 'signalbox: spec.values[0]: "bogus" is not an IPv4 address\n']);
});
