import {
  type DerivedMessage,
  derivedSubject,
  type Layer,
  type ProxyPlan,
  type ServiceKey,
  watermarkSubject,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { createLogger } from '@signalbox/kit';
import { describe, expect, test } from 'vitest';
import { type PlanBatch, PlanFeed } from './plan-feed.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };
const API: ServiceKey = { ...WEB, name: 'api' };

function aFeed() {
  const batches: PlanBatch[] = [];
  let badMessages = 0;
  const feed = new PlanFeed({
    cluster: 'c1',
    logger: createLogger({ component: 'test', level: 'silent' }),
    onBatch: (batch) => batches.push(batch),
    onBadMessage: () => {
      badMessages += 1;
    },
  });
  const read = (messages: readonly LogMessage[], isCaughtUp = true): void =>
    feed.apply({ messages, sequence: 1, isCaughtUp });
  /** What was given since the last call: revision, and each service with whether it has a plan. */
  const given = (): unknown[] =>
    batches
      .splice(0)
      .map(({ revision, changes }) => [revision, changes.map(({ key, plan }) => [key.name, plan !== undefined])]);
  return { feed, read, given, batches, badMessages: () => badMessages };
}

function message(subject: string, value: unknown): LogMessage {
  return { subject, sequence: 1, storedAtMs: 1, data: value === null ? null : JSON.stringify(value) };
}

function plan(key: ServiceKey, contentHash = '1', layer: Layer = 'proxy', changedAtMs = 1): LogMessage {
  const document: ProxyPlan = {
    ...key,
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.10'],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [],
  };
  const derived: DerivedMessage = { revision: 1, changedAtMs, contentHash, document, skipped: [] };
  return message(derivedSubject(layer, key), derived);
}

function tombstone(key: ServiceKey): LogMessage {
  return message(derivedSubject('proxy', key), null);
}

function watermark(revision: number, clusters: readonly string[] = ['c1']): LogMessage {
  const domains = Object.fromEntries(clusters.map((name) => [name, { domain: 'cluster.local' }]));
  return message(watermarkSubject('proxy'), { layer: 'proxy', revision, clusters: domains, skippedServices: 0 });
}

describe('plans are given', () => {
  test('with the watermark that covers them, and not before', () => {
    const { read, given } = aFeed();
    read([plan(WEB)]);
    expect(given()).toEqual([]);
    read([watermark(3)]);
    expect(given()).toEqual([[3, [['web', true]]]]);
  });

  test('once per service, as the last one is', () => {
    const { read, given } = aFeed();
    read([plan(WEB), plan(WEB, '2'), plan(API), tombstone(API), watermark(5)]);
    expect(given()).toEqual([
      [
        5,
        [
          ['web', true],
          ['api', false],
        ],
      ],
    ]);
  });

  test('as having waited since the first change, of those that still are', () => {
    const { read, batches } = aFeed();
    const [first, again] = [plan(WEB, '1', 'proxy', 5), plan(WEB, '2', 'proxy', 9)];
    read([first, again, plan(API, '1', 'proxy', 5), tombstone(API), watermark(3)]);
    expect(batches[0]?.changes.map(({ changedAtMs }) => changedAtMs)).toEqual([5, undefined]);
  });

  test('not again when they are equal', () => {
    const { read, given } = aFeed();
    read([plan(WEB), watermark(3)]);
    given();
    read([plan(WEB), watermark(4)]);
    expect(given()).toEqual([[4, []]]);
  });

  test('of the own cluster and layer only', () => {
    const { read, given } = aFeed();
    read([plan({ ...WEB, cluster: 'c2' }), plan(WEB, '1', 'dns'), watermark(3)]);
    expect(given()).toEqual([[3, []]]);
  });
});

test('with a watermark that came before something it covers, nothing is given until nothing is missing', () => {
  const { feed, read, given } = aFeed();
  read([plan(WEB), watermark(1)]);
  given();
  read([watermark(2)], false);
  read([plan(WEB, '2')], false);
  expect([given(), feed.isSynced]).toEqual([[], false]);
  read([]);
  expect([given(), feed.isSynced]).toEqual([[[2, [['web', true]]]], true]);
});

test('nothing is given while the cluster is not synced, and what came meanwhile is given then', () => {
  const { feed, read, given } = aFeed();
  read([plan(WEB), watermark(3, ['c2'])]);
  expect([given(), feed.isSynced]).toEqual([[], false]);
  read([plan(API), watermark(4)]);
  expect([given(), feed.isSynced]).toEqual([
    [
      [
        4,
        [
          ['web', true],
          ['api', true],
        ],
      ],
    ],
    true,
  ]);
});

test('a replay is given as a whole, with the services that are gone', () => {
  const { feed, read, given } = aFeed();
  read([plan(WEB), plan(API), watermark(3)]);
  given();
  feed.beginReplay();
  read([plan(WEB, '2'), watermark(7)], false);
  expect([given(), feed.isSynced]).toEqual([[], false]);
  read([], true);
  expect(given()).toEqual([
    [
      7,
      [
        ['web', true],
        ['api', false],
      ],
    ],
  ]);
});

test('a message that cannot be read is counted, and leaves the plan as it was', () => {
  const { read, given, badMessages } = aFeed();
  read([plan(WEB), watermark(3)]);
  given();
  read([message(derivedSubject('proxy', WEB), { document: { ports: 'none' } }), plan(API), watermark(4)]);
  expect([given(), badMessages()]).toEqual([[[4, [['api', true]]]], 1]);
});
