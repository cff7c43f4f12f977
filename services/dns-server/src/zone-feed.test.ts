import { derivedSubject, type RecordSet, watermarkSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { createLogger } from '@signalbox/kit';
import { ZoneIndex } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { type ServedChange, ZoneFeed } from './zone-feed.ts';

interface Lab {
  readonly feed: ZoneFeed;
  readonly badMessages: () => number;
  /** All that was told as served. */
  readonly served: readonly ServedChange[];
  /** Delivers messages; `isCaughtUp` is that of the last batch unless said. */
  readonly deliver: (messages: LogMessage[], isCaughtUp?: boolean) => void;
  /** Code and data for the A record of a service. */
  readonly ask: (service: string, domain?: string) => string;
}

function aLab(): Lab {
  const index = new ZoneIndex({ ttlSeconds: 30 });
  const served: ServedChange[] = [];
  let badMessages = 0;
  const logger = createLogger({ component: 'test', level: 'silent' });
  const feed = new ZoneFeed({
    index,
    logger,
    onBadMessage: () => (badMessages += 1),
    onChanges: (changes) => served.push(...changes),
  });
  return {
    feed,
    served,
    badMessages: () => badMessages,
    deliver: (messages, isCaughtUp = true) => feed.apply({ messages, sequence: 1, isCaughtUp }),
    ask: (service, domain = 'cluster.local') => {
      const { code, answers } = index.answer({ name: `${service}.ns.svc.${domain}.`, type: 'A' });
      return [code, ...answers.flat().map((record) => ('address' in record ? record.address : ''))].join(' ');
    },
  };
}

function message(subject: string, value: unknown): LogMessage {
  return { subject, sequence: 1, storedAtMs: 0, data: value === null ? null : JSON.stringify(value) };
}

function aDocument(
  name: string,
  address: string,
  cluster = 'shop',
  domain = 'cluster.local',
  changedAtMs = 0,
): LogMessage {
  const key = { cluster, namespace: 'ns', name };
  const record = { name: `${name}.ns.svc.${domain}.`, ttlSeconds: 30, type: 'A' as const, address };
  const document: RecordSet = { ...key, records: [record] };
  return message(derivedSubject('dns', key), { revision: 1, changedAtMs, contentHash: '', document, skipped: [] });
}

function aTombstone(name: string, cluster = 'shop'): LogMessage {
  return message(derivedSubject('dns', { cluster, namespace: 'ns', name }), null);
}

function aWatermark(revision: number, clusters: Record<string, string> = { shop: 'cluster.local' }): LogMessage {
  const domains = Object.fromEntries(Object.entries(clusters).map(([name, domain]) => [name, { domain }]));
  return message(watermarkSubject('dns'), { layer: 'dns', revision, clusters: domains, skippedServices: 0 });
}

test('record sets become visible with the watermark that covers them, all at once', () => {
  const { deliver, ask } = aLab();
  deliver([aWatermark(1)]);
  deliver([aDocument('a', '10.0.0.1'), aDocument('b', '10.0.0.1')]);
  expect([ask('a'), ask('b')]).toEqual(['NXDOMAIN', 'NXDOMAIN']);
  deliver([aDocument('a', '10.0.0.2'), aTombstone('b'), aWatermark(2), aDocument('a', '10.0.0.3')]);
  expect([ask('a'), ask('b')]).toEqual(['NOERROR 10.0.0.2', 'NXDOMAIN']);
  deliver([aWatermark(3)]);
  expect(ask('a')).toBe('NOERROR 10.0.0.3');
});

test('a Service that changes again while it waits has waited since the first change', () => {
  const { deliver, served } = aLab();
  deliver([aWatermark(1)]);
  deliver([5, 9].map((changedAtMs) => aDocument('a', `10.0.0.${changedAtMs}`, 'shop', 'cluster.local', changedAtMs)));
  deliver([aWatermark(2)]);
  expect(served.map(({ changedAtMs }) => changedAtMs)).toEqual([5]);
});

test('a watermark that came before something it covers waits until nothing is missing', () => {
  const { deliver, feed, ask } = aLab();
  deliver([aDocument('a', '10.0.0.1'), aWatermark(1)]);
  deliver([aWatermark(2)], false);
  expect([ask('a'), feed.watermark?.revision]).toEqual(['NOERROR 10.0.0.1', 1]);
  deliver([aDocument('a', '10.0.0.3')], false);
  deliver([]);
  expect([ask('a'), feed.watermark?.revision]).toEqual(['NOERROR 10.0.0.3', 2]);
});

test('nothing is ready before the replay is complete', () => {
  const { deliver, feed } = aLab();
  deliver([aDocument('a', '10.0.0.1'), aWatermark(1)], false);
  expect(feed.watermark).toBeUndefined();
  deliver([]);
  expect(feed.watermark).toMatchObject({ revision: 1, clusters: { shop: { domain: 'cluster.local' } } });
});

test('nothing of a replay is shown before it is complete', () => {
  const { deliver, feed, ask } = aLab();
  deliver([aDocument('a', '10.0.0.1'), aWatermark(1)], false);
  expect(ask('a')).toBe('REFUSED');
  deliver([aDocument('b', '10.0.0.1')]);
  expect([ask('a'), ask('b')]).toEqual(['NOERROR 10.0.0.1', 'NOERROR 10.0.0.1']);
  feed.beginReplay();
  deliver([aDocument('a', '10.0.0.2'), aWatermark(3)], false);
  expect([ask('a'), ask('b')]).toEqual(['NOERROR 10.0.0.1', 'NOERROR 10.0.0.1']);
  deliver([]);
  expect([ask('a'), ask('b')]).toEqual(['NOERROR 10.0.0.2', 'NXDOMAIN']);
});

test('at the end of a replay, what came after its last watermark is shown at once', () => {
  const { deliver, ask } = aLab();
  deliver([aWatermark(1), aDocument('a', '10.0.0.1')]);
  expect(ask('a')).toBe('NOERROR 10.0.0.1');
});

test('a second replay removes what is gone, and serves the old until it is complete', () => {
  const { deliver, ask, feed } = aLab();
  deliver([aDocument('a', '10.0.0.1'), aDocument('b', '10.0.0.1'), aWatermark(1)]);
  feed.beginReplay();
  deliver([aDocument('b', '10.0.0.2')], false);
  expect([ask('a'), ask('b')]).toEqual(['NOERROR 10.0.0.1', 'NOERROR 10.0.0.1']);
  deliver([aWatermark(2)]);
  expect([ask('a'), ask('b')]).toEqual(['NXDOMAIN', 'NOERROR 10.0.0.2']);
});

describe('a cluster that the watermark does not list', () => {
  const other = { other: 'other.example' };

  test('is unavailable when it was listed before, and back when it is listed again', () => {
    const { deliver, ask } = aLab();
    deliver([aDocument('a', '10.0.0.1'), aWatermark(1)]);
    deliver([aWatermark(2, other)]);
    expect([ask('a'), ask('nosuch')]).toEqual(['SERVFAIL', 'SERVFAIL']);
    deliver([aDocument('a', '10.0.0.2'), aWatermark(3, { ...other, shop: 'cluster.local' })]);
    expect([ask('a'), ask('nosuch')]).toEqual(['NOERROR 10.0.0.2', 'NXDOMAIN']);
  });

  test('is unavailable when it has record sets, though it never was listed', () => {
    const { deliver, ask } = aLab();
    deliver([aDocument('a', '10.0.0.1'), aWatermark(1, other)]);
    expect([ask('a'), ask('nosuch')]).toEqual(['SERVFAIL', 'SERVFAIL']);
  });

  test('is none of ours once its record sets are gone too', () => {
    const { deliver, ask } = aLab();
    deliver([aDocument('a', '10.0.0.1'), aWatermark(1)]);
    deliver([aTombstone('a'), aWatermark(2, other)]);
    expect(ask('a')).toBe('REFUSED');
  });
});

test('a cluster that changes its domain moves', () => {
  const { deliver, ask } = aLab();
  deliver([aDocument('a', '10.0.0.1'), aWatermark(1)]);
  deliver([aDocument('a', '10.0.0.1', 'shop', 'new.example'), aWatermark(2, { shop: 'new.example' })]);
  expect([ask('a'), ask('a', 'new.example')]).toEqual(['REFUSED', 'NOERROR 10.0.0.1']);
});

test('messages that cannot be read are counted, and stop nothing', () => {
  const { deliver, ask, badMessages } = aLab();
  const subject = derivedSubject('dns', { cluster: 'shop', namespace: 'ns', name: 'bad' });
  deliver([
    { ...aDocument('bad', '10.0.0.1'), data: '{' },
    message(subject, { document: { records: [{ type: 'A' }] } }),
    message('derived.dns', {}),
    message(watermarkSubject('dns'), { layer: 'dns' }),
    aDocument('a', '10.0.0.1'),
    aWatermark(1),
  ]);
  expect(badMessages()).toBe(4);
  expect(ask('a')).toBe('NOERROR 10.0.0.1');
});

test('other layers are not looked at', () => {
  const { deliver, ask, badMessages } = aLab();
  const key = { cluster: 'shop', namespace: 'ns', name: 'a' };
  deliver([aDocument('a', '10.0.0.1'), aWatermark(1)]);
  deliver([
    { ...message(derivedSubject('proxy', key), null), data: 'not even JSON' },
    { ...message(watermarkSubject('lb'), null), data: 'not even JSON' },
    message(derivedSubject('lb', key), null),
  ]);
  expect(badMessages()).toBe(0);
  expect(ask('a')).toBe('NOERROR 10.0.0.1');
});
