import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serviceObjectSchema } from './kubernetes.ts';
import {
  parseTargetGroupReportSubject,
  parseTargetsSubject,
  TARGETS_WATERMARK_SUBJECT,
  targetGroupReportSubject,
  targetGroupReportsOfClass,
  targetGroupSetSubject,
  targetGroupsOfClass,
} from './load-balancer-subjects.ts';
import type { LogObject } from './objects.ts';
import {
  ackSubject,
  acksOfLayer,
  decodeToken,
  derivedSubject,
  encodeToken,
  intentSubject,
  objectSubject,
  objectsOfCluster,
  PARTITION_COUNT,
  parseAckSubject,
  parseDerivedSubject,
  parseObjectSubject,
  partitionOf,
  SHARED_PARTITION,
  statusTypeOf,
  subjectMatches,
} from './subjects.ts';

function aService(namespace: string, name: string): LogObject {
  return serviceObjectSchema.parse({ kind: 'Service', metadata: { namespace, name }, spec: {} });
}

describe('tokens', () => {
  test('any text survives encoding, and never holds what NATS gives a meaning to', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const token = encodeToken(text);
        expect(decodeToken(token)).toBe(text);
        expect(token).toMatch(/^[\w%-]+$/);
      }),
    );
  });

  test('two texts never share a token', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        fc.pre(a !== b);
        expect(encodeToken(a)).not.toBe(encodeToken(b));
      }),
    );
  });
});

describe('subjects of objects', () => {
  test('name the object, with dots and odd cluster names encoded', () => {
    const slice: LogObject = {
      kind: 'EndpointSlice',
      metadata: { namespace: 'shop', name: 'web.v1-abc', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [],
      ports: [],
    };
    const subject = objectSubject('admin@eu.prod', slice);
    expect(subject).toBe(`objects.${partitionOf('shop', 'web')}.EndpointSlice.admin%40eu%2Eprod.shop.web%2Ev1-abc`);
    expect(parseObjectSubject(subject)).toEqual({
      kind: 'EndpointSlice',
      cluster: 'admin@eu.prod',
      namespace: 'shop',
      name: 'web.v1-abc',
    });
    expect(subjectMatches(objectsOfCluster('admin@eu.prod'), subject)).toBe(true);
    expect(subjectMatches(objectsOfCluster('admin@eu'), subject)).toBe(false);
  });

  test('a Service and its slices meet in one partition, whatever the cluster', () => {
    const partition = (subject: string): string | undefined => subject.split('.')[1];
    expect(partition(objectSubject('a', aService('shop', 'web')))).toBe(partitionOf('shop', 'web'));
    expect(partition(objectSubject('b', aService('shop', 'web')))).toBe(partitionOf('shop', 'web'));
  });

  test('what every worker needs is in the shared partition', () => {
    const subject = objectSubject('a', { kind: 'Namespace', metadata: { name: 'shop' } });
    expect(subject).toBe(`objects.${SHARED_PARTITION}.Namespace.a._.shop`);
    expect(parseObjectSubject(subject).namespace).toBe('');
  });

  test('partitions are spread over services', () => {
    const used = new Set(Array.from({ length: 1000 }, (_, i) => partitionOf('shop', `service-${i}`)));
    expect(used.size).toBe(PARTITION_COUNT);
  });

  test.for(['objects.p1.Service.a.shop', 'derived.p1.Service.a.shop.web', 'objects.p1.Service.a.shop.web.x'])(
    '%s is refused',
    (subject) => {
      expect(() => parseObjectSubject(subject)).toThrow('not the subject of an object');
    },
  );
});

test('subjects of derived documents name layer and service', () => {
  const key = { cluster: 'eu.prod', namespace: 'shop', name: 'web' };
  expect(parseDerivedSubject(derivedSubject('dns', key))).toEqual({ type: 'document', layer: 'dns', key });
  expect(parseDerivedSubject('watermarks.lb')).toEqual({ type: 'watermark', layer: 'lb' });
  expect(() => parseDerivedSubject('objects.a')).toThrow('not a subject of the derived stream');
});

test('subjects of acknowledgements name layer, cluster and consumer', () => {
  const key = { layer: 'proxy', cluster: 'eu.prod', consumer: 'node-a.example.com' } as const;
  const subject = ackSubject(key);
  expect(subject).toBe('status.ack.proxy.eu%2Eprod.node-a%2Eexample%2Ecom');
  expect(parseAckSubject(subject)).toEqual(key);
  expect(statusTypeOf(subject)).toBe('ack');
  expect(subjectMatches(acksOfLayer('proxy', 'eu.prod'), subject)).toBe(true);
  expect(subjectMatches(acksOfLayer('dns', 'eu.prod'), subject)).toBe(false);
  expect(() => parseAckSubject('status.ack.proxy.eu')).toThrow('not the subject of an acknowledgement');
});

test.for([
  { pattern: 'a.*.c', subject: 'a.b.c', isMatch: true },
  { pattern: 'a.*.c', subject: 'a.b.b.c', isMatch: false },
  { pattern: 'a.>', subject: 'a.b.c', isMatch: true },
  { pattern: 'a.>', subject: 'a', isMatch: false },
  { pattern: 'a.b', subject: 'a.b.c', isMatch: false },
  { pattern: 'a.b.c', subject: 'a.b', isMatch: false },
  { pattern: '>', subject: 'a', isMatch: true },
])('$pattern against $subject: $isMatch', ({ pattern, subject, isMatch }) => {
  expect(subjectMatches(pattern, subject)).toBe(isMatch);
});

test('an intent that is gone has the subject that it had', () => {
  const zone: LogObject = { kind: 'DnsZone', metadata: { name: 'example.com' }, spec: {} };
  expect(intentSubject('DnsZone', 'example.com')).toBe(objectSubject('', zone));
});

describe('subjects of target groups', () => {
  const key = { loadBalancerClass: 'example.com/f5', cluster: 'shop.eu', namespace: 'web', name: 'front' };

  test('give back the class and the Service, whatever the names hold', () => {
    expect(parseTargetsSubject(targetGroupSetSubject(key))).toEqual(key);
    expect(parseTargetsSubject(targetGroupSetSubject({ ...key, loadBalancerClass: '' }))?.loadBalancerClass).toBe('');
    expect(subjectMatches(targetGroupsOfClass(key.loadBalancerClass), targetGroupSetSubject(key))).toBe(true);
    expect(subjectMatches(targetGroupsOfClass(''), targetGroupSetSubject(key))).toBe(false);
  });

  test('of a report name the port as well', () => {
    const group = { ...key, port: '80/TCP' };
    expect(parseTargetGroupReportSubject(targetGroupReportSubject(group))).toEqual(group);
    expect(subjectMatches(targetGroupReportsOfClass(key.loadBalancerClass), targetGroupReportSubject(group))).toBe(
      true,
    );
  });

  test('that are no target groups are refused', () => {
    expect(parseTargetsSubject(TARGETS_WATERMARK_SUBJECT)).toBeUndefined();
    expect(() => parseTargetsSubject('targets.group.a.b')).toThrow('targets.group.a.b');
    expect(() => parseTargetGroupReportSubject('status.group.a.b.c.d')).toThrow('status.group.a.b.c.d');
  });
});
