/** What a DNS server tells the log of itself, through a real log. */

import { hostname } from 'node:os';
import { type AckKey, ackSubject, type DnsServerAck } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';

const SHOP = { shop: { domain: 'cluster.local' } };

function keyOf({ port }: DnsLab, cluster: string): AckKey {
  return { layer: 'dns', cluster, consumer: `${hostname()}/127.0.0.1:${port}` };
}

async function lastWord(lab: DnsLab, cluster: string): Promise<DnsServerAck | undefined> {
  const message = await lab.log.last('status', ackSubject(keyOf(lab, cluster)));
  return message?.data ? (JSON.parse(message.data) as DnsServerAck) : undefined;
}

async function waitForWord(lab: DnsLab, cluster: string, expected: Partial<DnsServerAck>): Promise<DnsServerAck> {
  let word: DnsServerAck | undefined;
  await waitFor(
    async () => {
      word = await lastWord(lab, cluster);
      return word?.revision === expected.revision && word?.error === (expected.error ?? '');
    },
    `${cluster} to be at ${JSON.stringify(expected)}`,
  );
  if (word === undefined) throw new Error('no word');
  return word;
}

test('each cluster is acknowledged at the revision that is served', async () => {
  await using lab = await startDnsLab({ ackIntervalMs: 10 });
  await lab.log.appendAll('derived', [watermarkEntry(3, { ...SHOP, bank: { domain: 'bank.local' } })]);
  const { appliedAtMs, ...word } = await waitForWord(lab, 'shop', { revision: 3 });
  expect(word).toEqual({ ...keyOf(lab, 'shop'), kind: 'dns-server', revision: 3, error: '', skippedServices: 0 });
  expect(Date.now() - (appliedAtMs ?? 0)).toBeLessThan(10_000);
  await waitForWord(lab, 'bank', { revision: 3 });
  await lab.log.appendAll('derived', [watermarkEntry(4, SHOP)]);
  await waitForWord(lab, 'shop', { revision: 4 });
});

test('a cluster that is not synced, or whose domain is taken, is not acknowledged further, with the reason', async () => {
  await using lab = await startDnsLab({ ackIntervalMs: 10 });
  const records = [{ type: 'A' as const, name: 'web.a.svc.cluster.local.', ttlSeconds: 30, address: '10.96.0.1' }];
  await lab.log.appendAll('derived', [
    documentEntry({ cluster: 'shop', namespace: 'a', name: 'web', records }),
    watermarkEntry(3, { ...SHOP, twin: { domain: 'cluster.local' } }),
  ]);
  await waitForWord(lab, 'shop', { revision: 3 });
  await waitForWord(lab, 'twin', { revision: 0, error: 'its domain is invalid or belongs to another cluster' });
  await lab.log.appendAll('derived', [watermarkEntry(5, {})]);
  await waitForWord(lab, 'shop', { revision: 3, error: 'it is not synced' });
  await lab.log.appendAll('derived', [watermarkEntry(6, SHOP)]);
  await waitForWord(lab, 'shop', { revision: 6 });
});

test('one message in an interval is enough for many watermarks', async () => {
  await using lab = await startDnsLab({ ackIntervalMs: 60_000 });
  await lab.log.appendAll('derived', [watermarkEntry(1, SHOP)]);
  await waitForWord(lab, 'shop', { revision: 1 });
  for (let revision = 2; revision <= 50; revision += 1) {
    await lab.log.appendAll('derived', [watermarkEntry(revision, SHOP)]);
  }
  await lab.log.appendAll('derived', [watermarkEntry(51, {})]);
  // The cluster has gone without records: what is told of it next is that there is nothing to tell.
  await waitFor(async () => (await lastWord(lab, 'shop')) === undefined, 'the word to be taken back');
  expect((await lab.log.info('status')).lastSequence).toBe(2);
});

test('a server that stops takes its word back', async () => {
  await using lab = await startDnsLab({ ackIntervalMs: 10 });
  await lab.log.appendAll('derived', [watermarkEntry(1, SHOP)]);
  await waitForWord(lab, 'shop', { revision: 1 });
  await lab.server.stop();
  expect(await lastWord(lab, 'shop')).toBeUndefined();
});
