/** dig, kdig and delv with all that they may send along: answered, and without complaint. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';
import { recordedRecordSets } from './recorded-cluster.ts';

const WEB = 'web.shop.svc.cluster.local';

let lab: DnsLab;

beforeAll(async () => {
  lab = await startDnsLab();
  const documents = recordedRecordSets().map((recordSet) => documentEntry(recordSet, 7));
  await lab.log.appendAll('derived', [...documents, watermarkEntry(7, { shop: { domain: 'cluster.local' } })]);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
});

afterAll(() => lab[Symbol.asyncDispose]());

async function run(program: string, ...args: string[]): Promise<string> {
  const all = ['@127.0.0.1', '-p', `${lab.port}`, ...args];
  const { stdout, stderr } = await promisify(execFile)(program, all).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stdout}${stderr}`;
}

/** What dig and kdig say when something is wrong with a message. */
const COMPLAINT = /malformed|warning: (?!recursion|\.local|query)|extra bytes|mismatch|bogus|unexpected/i;

describe.for([
  ['dig', ['+nocookie', '+noedns']],
  ['dig', ['+cookie', '+nsid', '+subnet=192.0.2.0/24', '+padding=128', '+expire']],
  ['dig', ['+tcp', '+keepalive', '+cookie']],
  ['dig', ['+bufsize=512', '+dnssec', '+cd', '+adflag', '+norecurse']],
  ['dig', ['+ednsopt=65001:0123', '+ednsflags=0x4000']],
  ['kdig', ['+nsid', '+cookie', '+padding', '+edns']],
  ['kdig', ['+tcp', '+keepopen', '+dnssec', '+bufsize=4096']],
] as const)('%s %j', ([program, options]) => {
  programTest(program, `gets the answer: ${options.join(' ')}`, async () => {
    const text = await run(program, ...options, WEB, 'A');
    expect(text).toMatch(/status: NOERROR/);
    expect(text).toMatch(/10\.96\.1\.1/);
    expect(text.replaceAll(/^;; WARNING: (\.local|recursion).*$/gm, '')).not.toMatch(COMPLAINT);
  });
});

for (const transport of ['+notcp', '+tcp']) {
  for (const [name, status] of [
    [WEB, 'NOERROR'],
    ['nosuch.cluster.local', 'NXDOMAIN'],
    ['example.org', 'REFUSED'],
  ] as const) {
    programTest('dig', `gets the DO bit back: ${transport} ${status}`, async () => {
      const text = await run('dig', transport, '+dnssec', name, 'A');
      expect(text).toContain(`status: ${status}`);
      expect(text).toContain('flags: do; udp: 1232');
      expect(await run('dig', transport, name, 'A')).toContain('flags:; udp: 1232');
    });
  }
}

describe('delv', () => {
  const delv = (...args: string[]) => run('delv', '+noroot', ...args);

  programTest('delv', 'takes answers as those of an unsigned zone', async () => {
    expect(await delv(WEB)).toMatch(
      /^; (authoritative|unsigned answer)\nweb\.shop\.svc\.cluster\.local\.\s+30\s+IN\s+A\s+10\.96\.1\.1\n$/,
    );
    expect((await delv('_http._tcp.headless.shop.svc.cluster.local', 'SRV')).match(/IN\s+SRV/g)).toHaveLength(3);
    expect(await delv('-x', '10.96.1.1')).toContain('PTR\tweb.shop.svc.cluster.local.');
  });

  programTest('delv', 'believes what does not exist, by the SOA that says so', async () => {
    expect(await delv('nosuch.shop.svc.cluster.local')).toMatch(/\$NXDOMAIN\n; cluster\.local\. SOA/);
    expect(await delv('np.shop.svc.cluster.local', 'AAAA')).toMatch(/\$NXRRSET\n; cluster\.local\. SOA/);
  });
});
