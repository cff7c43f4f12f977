/** The recorded cluster, served for real: what dig and kdig see is what the list of records says. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { assembleZones, type Zone } from '@signalbox/zones';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { type DigQuestion, dig } from './dig.ts';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';
import { resolveNaively } from './naive-resolver.ts';
import { recordedRecordSets } from './recorded-cluster.ts';

const REVISION = 42;
const TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT', 'MX', 'NS', 'SOA'];

const recordSets = recordedRecordSets();
const input = { domain: 'cluster.local', revision: REVISION, ttlSeconds: 30, serverAddresses: ['10.96.0.10'] };
const zones = assembleZones({ ...input, recordSets });
const zoneNames = zones.map((zone) => zone.name);
const records = zones.flatMap((zone) => zone.records);
const questions = allNames(zones).flatMap((name) => TYPES.map((type): DigQuestion => ({ name, type })));

let lab: DnsLab;

beforeAll(async () => {
  lab = await startDnsLab({ serverAddresses: ['10.96.0.10'] });
  const documents = recordSets.map((recordSet) => documentEntry(recordSet, REVISION));
  const watermark = watermarkEntry(REVISION, { shop: { domain: 'cluster.local' } });
  await lab.log.appendAll('derived', [...documents, watermark]);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
});

afterAll(() => lab[Symbol.asyncDispose]());

describe('every name, every type', () => {
  for (const [transport, options] of [
    ['UDP', ['+bufsize=1232']],
    ['TCP', ['+tcp', '+keepopen']],
  ] as const) {
    programTest('dig', `gets the naive resolver's answers over ${transport}`, async () => {
      const answers = await dig(lab.port, questions, [...options]);
      expect(answers).toHaveLength(questions.length);
      for (const [index, { name, type }] of questions.entries()) {
        const { flags, ...answer } = answers[index] ?? { flags: '' };
        const expected = resolveNaively(records, zoneNames, name, type);
        expect({ name, type, ...answer }).toEqual({ name, type, ...expected });
        expect(flags).toBe(expected.status === 'REFUSED' ? 'qr rd' : 'qr aa rd');
      }
    });
  }
});

describe('zone transfers', () => {
  for (const zone of zones) {
    for (const type of ['AXFR', 'IXFR=1']) {
      programTest('kdig', `takes ${zone.name} by ${type}`, async () => {
        const lines = await kdig(zone.name, type);
        const soa = lines.filter((line) => line.includes(' SOA '));
        expect(soa).toHaveLength(2);
        expect([...new Set(lines)].sort()).toEqual(linesOf(zone));
      });
    }
  }
});

describe('kdig', () => {
  programTest('kdig', 'asks several questions on one TCP connection', async () => {
    const names = ['web', 'np', 'empty', 'lb'].map((name) => `${name}.shop.svc.cluster.local.`);
    const args = ['+tcp', '+keepopen', '+short', ...names];
    const { stdout } = await promisify(execFile)('kdig', ['@127.0.0.1', '-p', `${lab.port}`, ...args]);
    expect(stdout.trim().split('\n')).toEqual(['10.96.1.1', '10.96.1.2', '10.96.1.11', '10.96.1.5']);
  });
});

/** Every owner, every name above one, and names that do not exist beside, above and below them. */
function allNames(all: readonly Zone[]): string[] {
  const owners = new Set(all.flatMap((zone) => zone.records.map((record) => record.name)));
  const above = [...owners].flatMap((name) => name.split('.').map((_, index, labels) => labels.slice(index).join('.')));
  const absent = [...owners].filter((_, index) => index % 5 === 0).flatMap((name) => [`x.${name}`, `x${name}`]);
  return [...new Set([...owners, ...above, ...absent])].filter((name) => name !== '');
}

async function kdig(zone: string, type: string): Promise<string[]> {
  const args = ['@127.0.0.1', '-p', `${lab.port}`, '+noall', '+answer', '-t', type, zone];
  const { stdout } = await promisify(execFile)('kdig', args);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
  return lines.map((line) => line.split(/\s+/).join(' '));
}

function linesOf(zone: Zone): string[] {
  const all = zone.records.flatMap(({ name, type }) => resolveNaively(zone.records, [zone.name], name, type).answer);
  return [...new Set(all)].sort();
}
