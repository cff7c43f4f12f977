import {
  type AddressPool,
  type LoadBalancerAddressObject,
  type LogObject,
  loadBalancerAddressObjectSchema,
  loadBalancerPolicyObjectSchema,
  nameForService,
  type ObjectKey,
} from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aCluster, aService } from '../../../../test/harness/objects.ts';
import { AddressBook } from './address-book.ts';
import { parseRange } from './address-range.ts';
import { ADDRESSES_ANNOTATION, POOL_ANNOTATION, SHARING_ANNOTATION } from './pool-claim.ts';

const MAIN: AddressPool = { name: 'main', ranges: ['192.0.2.0/30', '2001:db8::10-2001:db8::11'] };

class Log {
  readonly book = new AddressBook();
  readonly addresses = new Map<string, LoadBalancerAddressObject>();

  constructor(pools: AddressPool[] = [MAIN]) {
    this.apply('', aPolicy(pools));
    this.apply('eu', aCluster('eu'));
  }

  apply(cluster: string, object: LogObject, isGone = false): this {
    this.book.apply(keyOf(cluster, object), isGone ? undefined : object);
    return this;
  }

  service(name: string, spec: object = {}, annotations: object = {}): this {
    return this.apply('eu', aBalanced(name, spec, annotations));
  }

  /** Plans until nothing is left to do, as the allocator does. Returns the addresses by Service. */
  settle(): Record<string, string[]> {
    for (let changes = this.book.changes(); changes.length > 0; changes = this.book.changes()) {
      for (const { name, object } of changes) {
        if (object === undefined) this.addresses.delete(name);
        else this.addresses.set(name, loadBalancerAddressObjectSchema.parse(object));
        this.book.apply({ kind: 'LoadBalancerAddress', cluster: '', namespace: '', name }, object);
      }
    }
    const entries = [...this.addresses.values()].map(({ spec }) => [
      spec.service.name,
      spec.ingress.map(({ ip }) => ip ?? ''),
    ]);
    return Object.fromEntries(entries) as Record<string, string[]>;
  }

  problem(name: string): string | undefined {
    return this.addresses.get(nameForService({ cluster: 'eu', namespace: 'shop', name }))?.spec.problem;
  }
}

function aPolicy(addressPools: AddressPool[], loadBalancerClass = '') {
  const spec = { loadBalancerClass, addressPools };
  return loadBalancerPolicyObjectSchema.parse({ kind: 'LoadBalancerPolicy', metadata: { name: 'p' }, spec });
}

function aBalanced(name: string, spec: object = {}, annotations: object = {}) {
  return aService(name, { type: 'LoadBalancer', ...spec }, { annotations });
}

function keyOf(cluster: string, object: LogObject): ObjectKey {
  const metadata: { name: string; namespace?: string } = object.metadata;
  return { kind: object.kind, cluster, namespace: metadata.namespace ?? '', name: metadata.name };
}

describe('an address', () => {
  test('is the lowest free one, of each family of the Service', () => {
    const log = new Log().service('a').service('b', { ipFamilies: ['IPv6', 'IPv4'] });
    expect(log.settle()).toEqual({ a: ['192.0.2.0'], b: ['2001:db8::10', '192.0.2.1'] });
  });

  test('is given only to Services of type LoadBalancer, of a class with pools, without an address of their own', () => {
    const log = new Log().apply('eu', aService('inner'));
    log.service('foreign', { loadBalancerClass: 'example.com/f5' });
    const status = { status: { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } } };
    log.apply('eu', { ...aBalanced('cloud'), ...status }).service('web');
    expect(log.settle()).toEqual({ web: ['192.0.2.1'] });
  });

  test('stays when the cluster has it in the status: that is the write-back', () => {
    const log = new Log().service('web');
    log.settle();
    log.apply('eu', { ...aBalanced('web'), status: { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } } });
    expect(log.book.changes()).toEqual([]);
  });

  test('is given back when the Service goes or is no LoadBalancer any more, and given out again', () => {
    const log = new Log().service('a').service('b');
    log.settle();
    log.apply('eu', aService('a'));
    log.apply('eu', aBalanced('b'), true);
    expect(log.settle()).toEqual({});
    expect(log.service('c').settle()).toEqual({ c: ['192.0.2.0'] });
  });

  test('stays while the cluster is not synced, and goes with a cluster that is forgotten', () => {
    const log = new Log().service('a');
    log.settle();
    log.apply('eu', { ...aCluster('eu'), syncedKinds: [] }).apply('eu', aBalanced('a'), true);
    expect(log.settle()).toEqual({ a: ['192.0.2.0'] });
    expect(log.service('b').settle()).toEqual({ a: ['192.0.2.0'], b: ['192.0.2.1'] });
    log.apply('eu', aCluster('eu'), true).apply('eu', aBalanced('b'), true);
    expect(log.settle()).toEqual({});
  });

  test('is kept when its pool is taken away, with a note', () => {
    const log = new Log().service('a');
    log.settle();
    log.apply('', aPolicy([{ name: 'other', ranges: ['198.51.100.1'] }]));
    expect(log.service('b').settle()).toEqual({ a: ['192.0.2.0'], b: ['198.51.100.1'] });
    expect(log.problem('a')).toBe('192.0.2.0 is kept, although no pool of this class holds it');
  });
});

describe('a requested address', () => {
  test('is given by annotation or spec.loadBalancerIP when it is free', () => {
    const log = new Log().service('a', { loadBalancerIP: '192.0.2.3' });
    log.service('b', {}, { [ADDRESSES_ANNOTATION]: '192.0.2.2' });
    expect(log.settle()).toEqual({ a: ['192.0.2.3'], b: ['192.0.2.2'] });
  });

  test.for([
    { name: 'in use', ip: '192.0.2.0', problem: '192.0.2.0 is in use' },
    { name: 'outside', ip: '203.0.113.1', problem: '203.0.113.1 is in no pool of this class' },
    { name: 'of the other family', ip: '2001:db8::10', problem: '2001:db8::10 is not of a family of this Service' },
    { name: 'no address', ip: '192.0.2', problem: '192.0.2 is no address' },
  ])('that is $name is not replaced by another, and the Service keeps what it had', ({ ip, problem }) => {
    const log = new Log().service('a').service('b');
    log.settle();
    log.service('b', { loadBalancerIP: ip }).service('c', { loadBalancerIP: ip });
    const settled = log.settle();
    expect(settled).toMatchObject({ a: ['192.0.2.0'], b: ['192.0.2.1'] });
    if (problem.includes('family')) return;
    expect(settled.c).toEqual([]);
    expect([log.problem('b'), log.problem('c')]).toEqual([problem, problem]);
  });

  test('moves the Service, and frees what it had', () => {
    const log = new Log().service('a');
    log.settle();
    log.service('a', { loadBalancerIP: '192.0.2.3' });
    expect(log.settle()).toEqual({ a: ['192.0.2.3'] });
    expect(log.service('b').settle()).toEqual({ a: ['192.0.2.3'], b: ['192.0.2.0'] });
  });
});

describe('pools', () => {
  test('that are used up leave the Service without an address and say so, until one is free', () => {
    const log = new Log([{ name: 'tiny', ranges: ['192.0.2.9'] }]).service('a').service('b');
    expect(log.settle()).toEqual({ a: ['192.0.2.9'], b: [] });
    expect(log.problem('b')).toBe('no IPv4 address is free in pool tiny');
    expect(log.book.poolUse()).toEqual([{ pool: 'tiny', size: 1, used: 1 }]);
    expect(log.apply('eu', aBalanced('a'), true).settle()).toEqual({ b: ['192.0.2.9'] });
    expect(log.problem('b')).toBeUndefined();
  });

  test('can be chosen by name', () => {
    const log = new Log([MAIN, { name: 'second', ranges: ['198.51.100.0/24'] }]);
    log.service('a', {}, { [POOL_ANNOTATION]: 'second' }).service('b', {}, { [POOL_ANNOTATION]: 'none' });
    expect(log.settle()).toEqual({ a: ['198.51.100.0'], b: [] });
    expect(log.problem('b')).toBe('no IPv4 address is free in pool none, which this class does not have');
  });
});

describe('sharing', () => {
  const shared = { [SHARING_ANNOTATION]: 'dns' };
  const on = (port: number, protocol = 'TCP') => ({ ports: [{ name: 'p', port, protocol }] });

  test('Services with one key have one address, on different ports', () => {
    const log = new Log().service('tcp', on(53), shared).service('udp', on(53, 'UDP'), shared);
    log.service('again', on(53), shared).service('alone', on(80));
    const settled = log.settle();
    expect(settled.tcp).not.toEqual(settled.again);
    expect([settled.tcp, settled.again]).toContainEqual(settled.udp);
    expect(settled.alone).not.toEqual(settled.udp);
  });

  test.for([
    { name: 'gives up its key', spec: on(80), annotations: {} },
    { name: 'takes the port of the other', spec: on(81), annotations: shared },
  ])('ends when one $name: the other keeps the address', ({ spec, annotations }) => {
    const log = new Log().service('a', on(80), shared).service('b', on(81), shared);
    expect(log.settle()).toEqual({ a: ['192.0.2.0'], b: ['192.0.2.0'] });
    expect(log.service('a', spec, annotations).settle()).toEqual({ a: ['192.0.2.1'], b: ['192.0.2.0'] });
  });

  test('ends when one is deleted: the other keeps the address, whoever asks for it', () => {
    const log = new Log().service('b', { ...on(80), loadBalancerIP: '192.0.2.2' }, shared).service('c', on(81), shared);
    log.settle();
    log.service('a', { ...on(80), loadBalancerIP: '192.0.2.2' });
    expect(log.settle()).toEqual({ a: [], b: ['192.0.2.2'], c: ['192.0.2.2'] });
    log.apply('eu', aBalanced('c'), true);
    expect(log.settle()).toEqual({ a: [], b: ['192.0.2.2'] });
  });

  test('needs one idea of where traffic goes', () => {
    const log = new Log().service('a', { ...on(80), externalTrafficPolicy: 'Local', selector: { app: 'a' } }, shared);
    log.service('b', { ...on(81), externalTrafficPolicy: 'Local', selector: { app: 'b' } }, shared);
    const settled = log.settle();
    expect(settled.a).not.toEqual(settled.b);
  });
});

test('no address is ever given out twice, and nobody loses one, whatever comes and goes', () => {
  const operation = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    isGone: fc.boolean(),
    key: fc.constantFrom(undefined, 'k'),
    port: fc.constantFrom(80, 81),
    ip: fc.constantFrom(undefined, '192.0.2.1', '192.0.2.2'),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
      const log = new Log();
      for (const { name, isGone, key, port, ip } of operations) {
        const before = log.settle();
        const spec = { ports: [{ name: 'p', port }], ...(ip === undefined ? {} : { loadBalancerIP: ip }) };
        log.apply('eu', aBalanced(name, spec, key === undefined ? {} : { [SHARING_ANNOTATION]: key }), isGone);
        expectNobodyElseLost(name, before, log.settle());
        expectNoConflict(log);
      }
    }),
  );
});

function expectNobodyElseLost(
  changed: string,
  before: Record<string, string[]>,
  after: Record<string, string[]>,
): void {
  for (const [other, addresses] of Object.entries(before)) {
    if (other !== changed) expect((after[other] ?? []).length).toBeGreaterThanOrEqual(addresses.length);
  }
}

function expectNoConflict(log: Log): void {
  const seen = new Map<string, string | undefined>();
  for (const { spec } of log.addresses.values()) {
    for (const { ip = '' } of spec.ingress) {
      if (seen.has(ip)) expect(spec.sharing?.key).toBeDefined();
      if (seen.has(ip)) expect(seen.get(ip)).toBe(spec.sharing?.key);
      seen.set(ip, spec.sharing?.key);
    }
  }
}

test.for([
  ['192.0.2.0/30', '192.0.2.0', '192.0.2.3'],
  ['192.0.2.7/30', '192.0.2.4', '192.0.2.7'],
  ['192.0.2.10 - 192.0.2.12', '192.0.2.10', '192.0.2.12'],
  ['2001:db8::/126', '2001:db8::', '2001:db8::3'],
  ['2001:db8::1', '2001:db8::1', '2001:db8::1'],
] as const)('the range %s goes from %s to %s', ([text, first, last]) => {
  expect(parseRange(text)).toEqual({ ...parseRange(`${first}-${last}`) });
  expect(parseRange(text)).toBeDefined();
});

test.for(['', '192.0.2.0/33', '192.0.2.9-192.0.2.1', '192.0.2.1-2001:db8::1', 'a-b', '1-2-3', '192.0.2.010'])(
  '%j is no range',
  (text) => {
    expect(parseRange(text)).toBeUndefined();
  },
);
