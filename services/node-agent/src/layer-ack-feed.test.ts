import { type Ack, ackSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { createLogger } from '@signalbox/kit';
import { expect, test } from 'vitest';
import { LayerAckFeed } from './layer-ack-feed.ts';

const COMMON = { cluster: 'c1', appliedAtMs: 1, error: '', skippedServices: 0 };
const NOBODY = Number.POSITIVE_INFINITY;
let sequence = 0;

function dnsServer(consumer: string, revision: number): Ack {
  return { kind: 'dns-server', layer: 'dns', consumer, revision, ...COMMON };
}

function driver(consumer: string, revision: number, loadBalancerClass = ''): Ack {
  return { kind: 'lb-driver', layer: 'lb', consumer, revision, loadBalancerClass, ...COMMON };
}

function message(subject: string, data: string | null): LogMessage {
  sequence += 1;
  return { subject, data, sequence, storedAtMs: 0 };
}

const wordOf = (ack: Ack): LogMessage => message(ackSubject(ack), JSON.stringify(ack));

class Feed {
  badMessages = 0;
  readonly feed = new LayerAckFeed({
    layer: 'dns',
    cluster: 'c1',
    logger: createLogger({ component: 'test', level: 'silent' }),
    onChange: () => {},
    onBadMessage: () => {
      this.badMessages += 1;
    },
  });

  read(messages: readonly LogMessage[], isCaughtUp = true): number {
    this.feed.apply({ messages, isCaughtUp, sequence });
    return this.feed.revision;
  }
}

test('is unknown until everything was read once', () => {
  const feed = new Feed();
  expect(feed.read([wordOf(dnsServer('a', 7))], false)).toBe(-1);
  expect(feed.read([])).toBe(7);
});

test('is what the last of all has; nobody is waited for where there is nobody', () => {
  const feed = new Feed();
  expect(feed.read([])).toBe(NOBODY);
  expect(feed.read([wordOf(dnsServer('a', 7)), wordOf(dnsServer('b', 5))])).toBe(5);
  expect(feed.read([message(ackSubject(dnsServer('b', 0)), null)])).toBe(7);
});

test('of a class of load balancers any driver speaks: one works, the others have gone', () => {
  const feed = new Feed();
  expect(feed.read([wordOf(driver('old', 3)), wordOf(driver('new', 9))])).toBe(9);
  expect(feed.read([wordOf(driver('other', 4, 'acme'))])).toBe(4);
});

test('who was given up counts again with the next word', () => {
  const feed = new Feed();
  feed.read([wordOf(dnsServer('dead', 3)), wordOf(dnsServer('alive', 9))]);
  feed.feed.giveUp(8);
  expect(feed.feed.revision).toBe(9);
  expect(feed.read([wordOf(dnsServer('dead', 4))])).toBe(4);
});

test('a replay takes the place of what was known when it is whole', () => {
  const feed = new Feed();
  feed.read([wordOf(dnsServer('a', 7)), wordOf(dnsServer('b', 5))]);
  feed.feed.beginReplay();
  expect(feed.read([wordOf(dnsServer('a', 8))], false)).toBe(5);
  expect(feed.read([])).toBe(8);
});

test('what cannot be read is counted, and the last word stands', () => {
  const feed = new Feed();
  feed.read([wordOf(dnsServer('a', 7))]);
  expect(feed.read([message(ackSubject(dnsServer('a', 0)), '{}')])).toBe(7);
  expect(feed.badMessages).toBe(1);
});
