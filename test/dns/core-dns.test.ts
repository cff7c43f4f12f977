/**
 * The recorded cluster, as CoreDNS answers for it: what CoreDNS 1.13 was recorded to say (test/fixtures/coredns-1.13) comes
 * from the real server; and at every kind of name, for every type, the answer is the one that CoreDNS gives by its source,
 * or one of the differences that docs/dns.md tells of.
 */
import { readFileSync } from 'node:fs';
import type { DnsRecord } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import { podLabel, recordData, ZoneIndex } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { upsertOf } from '../harness/objects.ts';
import { programTest } from '../harness/programs.ts';
import { answerAsCoreDns, type ClusterObjects, type CoreDnsAnswer } from './core-dns.ts';
import { askedNames, existingNames } from './core-dns-names.ts';
import { type DigAnswer, type DigQuestion, dig } from './dig.ts';
import { documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';
import {
  recordedNamespaces,
  recordedPods,
  recordedRecordSets,
  recordedServices,
  recordedSlices,
} from './recorded-cluster.ts';

const TYPES = ['A', 'AAAA', 'SRV', 'CNAME', 'TXT', 'MX', 'PTR', 'NS', 'SOA', 'ANY', 'CAA', 'TYPE65'];

const objects: ClusterObjects = {
  services: recordedServices(),
  slices: recordedSlices(),
  pods: recordedPods(),
  namespaces: recordedNamespaces(),
};
const recordSets = recordedRecordSets();

describe('what CoreDNS was recorded to answer', () => {
  const recorded = recordedAnswers();

  for (const [opts, asked] of byOptions(recorded)) {
    programTest('dig', `is what the server answers: ${asked.length} questions ${opts}`, async () => {
      await using lab = await startRecordedLab();
      const answers = await dig(lab.port, asked, opts === '' ? [] : opts.split(' '));
      for (const [at, { opts: _, name, type, ...expected }] of asked.entries()) {
        const authority = answers[at]?.authority.map(withoutSerial);
        expect({ name, type, ...answers[at], authority }).toEqual({ name, type, ...expected });
      }
    });
  }

  test('is what it answers by its source', () => {
    const short = (lines: readonly string[]) => lines.map((line) => line.replace(' 30 IN', '').toLowerCase());
    for (const { name, type, status, answer, additional } of recorded) {
      const { code, ...sections } = answerAsCoreDns(objects, name.toLowerCase(), type);
      const bySource = [code, short(sections.answers), short(sections.additional)];
      expect([name, type, ...bySource]).toEqual([name, type, status, short(answer), short(additional)]);
    }
  });
});

describe('every kind of name', () => {
  const compared = compareAll();

  test.for(TYPES)('asked for %s: what CoreDNS answers, or a known difference', (type) => {
    const others = compared.filter((one) => one.type === type && !isSame(one));
    expect(others.filter((one) => DIFFERENCES.every(({ isIt }) => !isIt(one)))).toEqual([]);
  });

  test('the guide tells of the differences, and each of them occurs', () => {
    const guide = readFileSync(new URL('../../docs/dns.md', import.meta.url), 'utf8');
    for (const { what, isIt } of DIFFERENCES) {
      expect(guide).toContain(`| ${what} |`);
      expect([what, compared.some((one) => !isSame(one) && isIt(one))]).toEqual([what, true]);
    }
  });
});

interface Compared {
  readonly name: string;
  readonly type: string;
  /** By the records: there are some at the name, or below it. */
  readonly exists: boolean;
  readonly ours: CoreDnsAnswer;
  readonly theirs: CoreDnsAnswer;
}

/** `what` is a cell of the table in docs/dns.md. */
const DIFFERENCES: readonly { readonly what: string; isIt: (compared: Compared) => boolean }[] = [
  {
    what: 'a name with other records, or with names below it',
    isIt: ({ exists, type, ours, theirs }) =>
      exists && type !== 'ANY' && theirs.code === 'NXDOMAIN' && ours.code === 'NOERROR' && isEmpty(ours),
  },
  {
    what: 'SOA of a name that does not exist',
    isIt: ({ exists, type, ours, theirs }) =>
      !exists && type === 'SOA' && theirs.code === 'NOERROR' && isEmpty(theirs) && ours.code === 'NXDOMAIN',
  },
  {
    what: 'ANY',
    isIt: ({ exists, type, ours, theirs }) => exists && type === 'ANY' && ours.code === 'NOERROR' && isEmpty(theirs),
  },
  {
    what: 'SRV of a Pod, or of `ns.dns`',
    isIt: ({ exists, type, ours, theirs }) =>
      exists && type === 'SRV' && isEmpty(ours) && theirs.answers.every((line) => line.includes(' SRV 0 100 0 ')),
  },
  {
    what: "a name below a Pod's, a port's name without `_`",
    isIt: ({ name, exists, ours }) => /^(x|http\.tcp)\.|\.pod\./.test(name) && !exists && ours.code === 'NXDOMAIN',
  },
];

function isSame({ ours, theirs }: Compared): boolean {
  return JSON.stringify(ours) === JSON.stringify(theirs);
}

function isEmpty({ answers }: CoreDnsAnswer): boolean {
  return answers.length === 0;
}

function compareAll(): Compared[] {
  const index = servedIndex();
  const existing = existingNames(objects, recordSets);
  return askedNames(objects, recordSets).flatMap((name) =>
    TYPES.map((type) => ({
      name,
      type,
      exists: existing.has(name),
      ours: ask(index, name, type),
      theirs: answerAsCoreDns(objects, name, type),
    })),
  );
}

function ask(index: ZoneIndex, name: string, type: string): CoreDnsAnswer {
  const { code, answers, authority, additional } = index.answer({ name, type });
  if (code === 'SERVFAIL' || code === 'REFUSED') throw new Error(`${name} ${type}: ${code}`);
  const hasSoa = authority.flat().some((record) => record.type === 'SOA');
  if (hasSoa !== (answers.length === 0)) throw new Error(`${name} ${type}: an SOA says that there is no such data`);
  return { code, answers: linesOf(answers.flat()), additional: linesOf(additional.flat()) };
}

function linesOf(records: readonly DnsRecord[]): string[] {
  const line = (record: DnsRecord) =>
    `${record.name} ${record.type}${record.type === 'SOA' ? '' : ` ${recordData(record)}`}`;
  return records.map(line).sort();
}

function servedIndex(): ZoneIndex {
  const index = new ZoneIndex({ ttlSeconds: 30, pods: 'verified' });
  for (const recordSet of recordSets) index.upsert(recordSet);
  for (const namespace of objects.namespaces) index.setNamespace('shop', namespace, true);
  for (const pod of objects.pods) index.setPod('shop', pod.metadata, podLabel(pod));
  index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 1);
  return index;
}

async function startRecordedLab() {
  const log = openSqliteEventLog({ path: ':memory:' });
  const namespaces = objects.namespaces.map((name) => ({ kind: 'Namespace', metadata: { name } }) as const);
  await log.appendAll(
    'objects',
    [...namespaces, ...objects.pods].map((object) => upsertOf('shop', object)),
  );
  const documents = recordSets.map((recordSet) => documentEntry(recordSet));
  await log.appendAll('derived', [...documents, watermarkEntry(1, { shop: { domain: 'cluster.local' } })]);
  const lab = await startDnsLab({ pods: 'verified' }, log);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  return lab;
}

/** What dig showed, serials left out. */
interface RecordedAnswer extends DigQuestion, DigAnswer {
  readonly opts: readonly string[];
}

function recordedAnswers(): readonly RecordedAnswer[] {
  return JSON.parse(readFileSync(new URL('../fixtures/coredns-1.13/answers.json', import.meta.url), 'utf8'));
}

function byOptions(recorded: readonly RecordedAnswer[]): Map<string, RecordedAnswer[]> {
  const groups = new Map<string, RecordedAnswer[]>();
  for (const one of recorded) {
    const opts = one.opts.join(' ');
    groups.set(opts, [...(groups.get(opts) ?? []), one]);
  }
  return groups;
}

function withoutSerial(soa: string): string {
  return soa.replace(/(hostmaster\S+) \d+/, '$1 SERIAL');
}
