import type { DnsRecord } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { podLabel } from './pod-addresses.ts';
import type { PodMode } from './pod-names.ts';
import { recordData } from './records.ts';
import { ZoneIndex } from './zone-index.ts';

const DOMAIN = 'cluster.local.';

function anIndex(pods: PodMode): ZoneIndex {
  const index = new ZoneIndex({ ttlSeconds: 30, pods });
  const pointer = (name: string, target: string): DnsRecord => ({
    name,
    ttlSeconds: 30,
    type: 'PTR',
    target: `${target}.svc.${DOMAIN}`,
  });
  const records: DnsRecord[] = [
    { name: `web.shop.svc.${DOMAIN}`, ttlSeconds: 30, type: 'A', address: '10.96.0.1' },
    pointer('1.0.96.10.in-addr.arpa.', 'web.shop'),
    pointer('4.3.2.10.in-addr.arpa.', '10-2-3-4.web.shop'),
  ];
  index.upsert({ cluster: 'a', namespace: 'shop', name: 'web', records });
  index.setClusters([{ name: 'a', domain: 'cluster.local', isSynced: true }], 1);
  index.setNamespace('a', 'empty', true);
  return index;
}

function ask(index: ZoneIndex, name: string, type = 'A'): string {
  const { code, answers } = index.answer({ name: `${name}.${DOMAIN}`, type });
  return [code, ...answers.flat().map(recordData)].join(' ');
}

test.for<[name: string, type: string, disabled: string, insecure: string, verified: string]>([
  ['svc', 'A', 'NOERROR', 'NOERROR', 'NOERROR'],
  ['pod', 'A', 'NOERROR', 'NOERROR', 'NOERROR'],
  ['shop.svc', 'A', 'NOERROR', 'NOERROR', 'NOERROR'],
  ['empty.svc', 'A', 'NOERROR', 'NOERROR', 'NOERROR'],
  ['absent.svc', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
  ['shop.pod', 'A', 'NXDOMAIN', 'NOERROR', 'NOERROR'],
  ['absent.pod', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
  ['10-2-3-4.shop.pod', 'A', 'NXDOMAIN', 'NOERROR 10.2.3.4', 'NOERROR 10.2.3.4'],
  ['10-2-3-4.shop.pod', 'AAAA', 'NXDOMAIN', 'NOERROR', 'NOERROR'],
  ['10-2-3-4.empty.pod', 'A', 'NXDOMAIN', 'NOERROR 10.2.3.4', 'NXDOMAIN'],
  ['10-96-0-1.shop.pod', 'A', 'NXDOMAIN', 'NOERROR 10.96.0.1', 'NXDOMAIN'],
  ['10-2-3-4.absent.pod', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
  ['10-2-3-456.shop.pod', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
  ['fd00--5.shop.pod', 'AAAA', 'NXDOMAIN', 'NOERROR fd00::5', 'NXDOMAIN'],
  ['web.shop.pod', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
  ['x.10-2-3-4.shop.pod', 'A', 'NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN'],
])('%s %s: disabled %s, insecure %s, verified %s', ([name, type, ...expected]) => {
  const modes = ['disabled', 'insecure', 'verified'] as const;
  expect(modes.map((mode) => ask(anIndex(mode), name, type))).toEqual(expected);
});

test('a namespace that comes and goes changes what its names were computed from', () => {
  const index = anIndex('insecure');
  const stampOf = () => index.versions.stamp(index.answerWithNames({ name: `new.pod.${DOMAIN}`, type: 'A' }).names);
  const before = stampOf();
  index.setNamespace('a', 'new', true);
  expect(index.versions.isCurrent(before)).toBe(false);
  expect(ask(index, 'new.pod')).toBe('NOERROR');
  const between = stampOf();
  index.setNamespace('a', 'new', false);
  expect(index.versions.isCurrent(between)).toBe(false);
  expect(index.namespaces()).toEqual([{ cluster: 'a', namespace: 'empty' }]);
});

describe('where Pods are known', () => {
  function withPods(): ZoneIndex {
    const index = anIndex('verified');
    index.setPod('a', { namespace: 'shop', name: 'web-0' }, '10-7-7-7');
    index.setPod('a', { namespace: 'shop', name: 'six' }, 'fd00--5');
    return index;
  }

  test.for<[name: string, type: string, expected: string]>([
    ['10-7-7-7.shop.pod', 'A', 'NOERROR 10.7.7.7'],
    ['10-7-7-7.shop.pod', 'AAAA', 'NOERROR'],
    ['10-7-7-7.empty.pod', 'A', 'NXDOMAIN'],
    ['fd00--5.shop.pod', 'AAAA', 'NOERROR fd00::5'],
    ['fd00-0-0-0-0-0-0-5.shop.pod', 'AAAA', 'NXDOMAIN'],
    // An endpoint that is no Pod's.
    ['10-2-3-4.shop.pod', 'A', 'NXDOMAIN'],
  ])('they alone are answered: %s %s: %s', ([name, type, expected]) => {
    expect(ask(withPods(), name, type)).toBe(expected);
  });

  test('a name stays while one of several Pods has its address', () => {
    const index = withPods();
    index.setPod('a', { namespace: 'shop', name: 'web-1' }, '10-7-7-7');
    index.setPod('a', { namespace: 'shop', name: 'web-0' }, undefined);
    expect(ask(index, '10-7-7-7.shop.pod')).toBe('NOERROR 10.7.7.7');
    index.setPod('a', { namespace: 'shop', name: 'web-1' }, '10-8-8-8');
    expect(ask(index, '10-7-7-7.shop.pod')).toBe('NXDOMAIN');
    expect(index.pods().map(({ name }) => name)).toEqual(['six', 'web-1']);
  });

  test('what was computed from a Pod is no longer good when it changes, and everything when it was the last', () => {
    const index = withPods();
    const { epoch } = index;
    const asked = { name: `10-7-7-7.shop.pod.${DOMAIN}`, type: 'A' };
    const stamp = index.versions.stamp(index.answerWithNames(asked).names);
    index.setPod('a', { namespace: 'shop', name: 'web-0' }, undefined);
    expect(index.versions.isCurrent(stamp)).toBe(false);
    expect(index.epoch).toBe(epoch);
    index.setPod('a', { namespace: 'shop', name: 'six' }, undefined);
    expect(index.epoch).toBeGreaterThan(epoch);
    expect(ask(index, '10-2-3-4.shop.pod')).toBe('NOERROR 10.2.3.4');
  });
});

test.for<[status: object, deletionTimestamp: string | undefined, label: string | undefined]>([
  [{ phase: 'Running', podIP: '10.1.2.3' }, undefined, '10-1-2-3'],
  [{ phase: 'Pending', podIP: 'fd00::1' }, undefined, 'fd00--1'],
  [{ phase: 'Pending' }, undefined, undefined],
  [{ phase: 'Succeeded', podIP: '10.1.2.3' }, undefined, undefined],
  [{ phase: 'Failed', podIP: '10.1.2.3' }, undefined, undefined],
  [{ phase: 'Running', podIP: '10.1.2.3' }, '2026-01-01T00:00:00Z', undefined],
])('a Pod with status %j, deleted %s, has the label %s', ([status, deletionTimestamp, label]) => {
  const metadata = { namespace: 'shop', name: 'p', ...(deletionTimestamp !== undefined && { deletionTimestamp }) };
  expect(podLabel({ kind: 'Pod', metadata, status })).toBe(label);
});
