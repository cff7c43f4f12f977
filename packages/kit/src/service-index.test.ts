import type { IntentObject, LogObject } from '@signalbox/contracts';
import { nameForService, objectSubject } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aCluster, aNode, anIntent, aService, aSlice } from '../../../test/harness/objects.ts';
import { type IndexInput, ServiceIndex } from './service-index.ts';

const WEB = { cluster: 'eu', namespace: 'shop', name: 'web' };
const WITH_NODES = { withNodes: true };

function input(object: LogObject, sequence: number, isDeleted = false): IndexInput {
  const value = { cluster: 'eu', resourceVersion: '', changedAtMs: sequence * 10, object };
  const subject = objectSubject('eu', object);
  return { subject, sequence, storedAtMs: sequence * 10 + 1, value: isDeleted ? undefined : value };
}

function indexOf(...inputs: IndexInput[]): ServiceIndex {
  const index = new ServiceIndex();
  for (const each of inputs) index.apply(each);
  return index;
}

describe('a view', () => {
  test('joins the Service, its slices by name, and the nodes by name', () => {
    const index = indexOf(
      input(aSlice('web', ['10.244.1.2'], 'web-b'), 1),
      input(aNode('node-b'), 2),
      input(aSlice('web', ['10.244.1.1'], 'web-a'), 3),
      input(aService('web'), 4),
      input(aNode('node-a'), 5),
      input(aCluster('eu'), 6),
    );
    const view = index.view(WEB, WITH_NODES);
    expect(view?.slices.map((slice) => slice.metadata.name)).toEqual(['web-a', 'web-b']);
    expect(view?.nodes.map((node) => node.metadata.name)).toEqual(['node-a', 'node-b']);
    expect(index.view(WEB, { withNodes: false })?.nodes).toEqual([]);
  });

  test('is missing without its Service or its Cluster', () => {
    expect(indexOf(input(aSlice('web', ['10.244.1.1']), 1), input(aCluster('eu'), 2)).view(WEB, WITH_NODES)).toBe(
      undefined,
    );
    expect(indexOf(input(aService('web'), 1)).view(WEB, WITH_NODES)).toBe(undefined);
  });

  test('loses a slice that moved to another Service', () => {
    const slice = aSlice('web', ['10.244.1.1'], 'moving');
    const moved = aSlice('other', ['10.244.1.1'], 'moving');
    const index = indexOf(
      input(aCluster('eu'), 1),
      input(aService('web'), 2),
      input(aService('other'), 3),
      input(slice, 4),
    );
    index.takeDirty();
    // Its subject changes with its partition: the source writes a tombstone for the old one.
    index.apply(input(slice, 5, true));
    index.apply(input(moved, 6));
    expect(index.view(WEB, WITH_NODES)?.slices).toEqual([]);
    expect(index.view({ ...WEB, name: 'other' }, WITH_NODES)?.slices).toHaveLength(1);
    expect([...index.takeDirty().services.keys()].sort()).toEqual(['eu/shop/other', 'eu/shop/web']);
  });
});

describe('what is dirty', () => {
  test('is the service of a changed slice, once however often it changed', () => {
    const index = indexOf(input(aCluster('eu'), 1), input(aService('web'), 2));
    index.takeDirty();
    for (const sequence of [3, 4, 5]) index.apply(input(aSlice('web', [`10.244.1.${sequence}`]), sequence));
    expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/web']);
    expect(index.takeDirty().services.size).toBe(0);
  });

  test('is the cluster of a changed node, and not its services', () => {
    const index = indexOf(input(aCluster('eu'), 1), input(aService('web'), 2));
    index.takeDirty();
    index.apply(input(aNode('node-a'), 3));
    const dirty = index.takeDirty();
    expect([...dirty.nodes]).toEqual(['eu']);
    expect(dirty.services.size).toBe(0);
  });
});

test('the mark of a view is its newest part; nodes count only for who reads them', () => {
  const index = indexOf(
    input(aCluster('eu'), 1),
    input(aService('web'), 2),
    input(aSlice('web', ['10.244.1.1']), 3),
    input(aNode('node-a'), 4),
  );
  expect(index.mark(WEB, { withNodes: false })).toEqual({ revision: 3, changedAtMs: 30 });
  expect(index.mark(WEB, WITH_NODES)).toEqual({ revision: 4, changedAtMs: 40 });
});

test('a forgotten cluster leaves nothing behind', () => {
  const objects = [aCluster('eu'), aService('web'), aSlice('web', ['10.244.1.1']), aNode('node-a')];
  const index = indexOf(...objects.map((object, i) => input(object, i + 1)));
  for (const [i, object] of objects.entries()) index.apply(input(object, i + 10, true));
  expect(index.clusterNames()).toEqual([]);
});

test('any order and any repetition of the last messages gives the same views', () => {
  const objects: LogObject[] = [
    aCluster('eu'),
    aService('web'),
    aService('db'),
    aSlice('web', ['10.244.1.1'], 'web-a'),
    aSlice('web', ['10.244.1.2'], 'web-b'),
    aSlice('db', ['10.244.1.3'], 'db-a'),
    aNode('node-a'),
    aNode('node-b'),
  ];
  const inputs = objects.map((object, i) => input(object, i + 1));
  const views = (index: ServiceIndex) => ['web', 'db'].map((name) => index.view({ ...WEB, name }, WITH_NODES));
  const wanted = views(indexOf(...inputs));
  const anyOrder = fc.shuffledSubarray(inputs, { minLength: inputs.length });
  fc.assert(
    fc.property(anyOrder, fc.array(fc.constantFrom(...inputs)), (all, repeats) => {
      expect(views(indexOf(...repeats, ...all))).toEqual(wanted);
    }),
  );
});

describe('intents', () => {
  const zone = anIntent('DnsZone', 'example.com', {});
  const alias = anIntent('DnsAlias', 'shop', { name: 'shop.example.com', service: { namespace: 'shop', name: 'web' } });
  const records = anIntent('DnsRecords', 'www', { name: 'www.example.com', type: 'A', values: ['192.0.2.1'] });
  const annotated = aService(
    'db',
    {},
    { annotations: { 'external-dns.alpha.kubernetes.io/hostname': 'db.example.com' } },
  );
  const start = () => {
    const index = indexOf(
      input(aCluster('eu'), 1),
      input(aService('web'), 2),
      input(annotated, 3),
      input(aService('x'), 4),
    );
    index.takeDirty();
    return index;
  };
  const of = (object: IntentObject, sequence: number, isGone = false) => ({
    ...input(object, sequence, isGone),
    subject: objectSubject('', object),
  });

  test('an alias touches the Service it follows, a zone those with public names, records none', () => {
    const index = start();
    index.apply(of(records, 5));
    expect([...index.takeDirty().services.keys()]).toEqual([]);
    index.apply(of(alias, 6));
    expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/web']);
    expect(index.view(WEB, WITH_NODES)?.dns).toEqual({ zones: [], aliases: [alias] });
    expect(index.mark(WEB, WITH_NODES).revision).toBe(6);
    index.apply(of(zone, 7));
    const dirty = index.takeDirty();
    expect([...dirty.services.keys()].sort()).toEqual(['eu/shop/db', 'eu/shop/web']);
    expect([...dirty.intents.keys()].sort()).toEqual(['/DnsAlias/shop', '/DnsRecords/www', '/DnsZone/example.com']);
    expect(index.view({ ...WEB, name: 'x' }, WITH_NODES)?.dns).toEqual({ zones: [zone], aliases: [] });
  });

  test('an alias that moves touches both Services, and one that goes leaves nothing', () => {
    const index = start();
    index.apply(of(alias, 5));
    index.takeDirty();
    const moved = anIntent('DnsAlias', 'shop', {
      name: 'a.example.com',
      service: { cluster: 'eu', namespace: 'shop', name: 'x' },
    });
    index.apply(of(moved, 6));
    expect([...index.takeDirty().services.keys()].sort()).toEqual(['eu/shop/web', 'eu/shop/x']);
    index.apply(of(moved, 7, true));
    expect(index.view({ ...WEB, name: 'x' }, WITH_NODES)).not.toHaveProperty('dns');
    expect(index.intentKeys()).toEqual([]);
  });
});

test('a policy is in the views of its class, all of which it touches; it touches no others', () => {
  const spec = { type: 'LoadBalancer', loadBalancerClass: 'f5' };
  const index = indexOf(
    input(aCluster('eu'), 1),
    input(aService('web', spec), 2),
    input(aService('db', { type: 'LoadBalancer' }), 3),
    input(aService('x'), 4),
  );
  index.takeDirty();
  const policyOf = (loadBalancerClass: string, sequence: number, isGone = false): IndexInput => {
    const object: LogObject = { kind: 'LoadBalancerPolicy', metadata: { name: 'p' }, spec: { loadBalancerClass } };
    return { ...input(object, sequence, isGone), subject: objectSubject('', object) };
  };
  index.apply(policyOf('f5', 5));
  expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/web']);
  expect(index.view(WEB, WITH_NODES)?.loadBalancerPolicy).toEqual({ loadBalancerClass: 'f5' });
  expect(index.mark(WEB, WITH_NODES).revision).toBe(5);
  index.apply(policyOf('', 6));
  expect([...index.takeDirty().services.keys()].sort()).toEqual(['eu/shop/db', 'eu/shop/web']);
  expect(index.view(WEB, WITH_NODES)).not.toHaveProperty('loadBalancerPolicy');
  index.apply(policyOf('', 7, true));
  expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/db']);
  expect(index.view({ ...WEB, name: 'db' }, WITH_NODES)).not.toHaveProperty('loadBalancerPolicy');
});

describe('addresses of load balancers', () => {
  const shared = { cluster: 'eu', namespace: 'shop', name: 'web' };
  const anAddress = (ip: string, sequence: number, isGone = false) => {
    const object: LogObject = {
      kind: 'LoadBalancerAddress',
      metadata: { name: nameForService(shared) },
      spec: { service: shared, ingress: [{ ip }], source: 'pool:main' },
    };
    return { ...input(object, sequence, isGone), subject: objectSubject('', object) };
  };
  const status = (ip: string) => ({ status: { loadBalancer: { ingress: [{ ip }] } } });
  const ingressOf = (index: ServiceIndex) => index.view(WEB, WITH_NODES)?.service.status?.loadBalancer?.ingress;

  test('are seen as the status of a Service that has none, and touch it alone', () => {
    const index = indexOf(
      input(aCluster('eu'), 1),
      input(aService('web', { type: 'LoadBalancer' }), 2),
      input(aService('db', { type: 'LoadBalancer' }), 3),
    );
    index.takeDirty();
    index.apply(anAddress('192.0.2.1', 4));
    expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/web']);
    expect(ingressOf(index)).toEqual([{ ip: '192.0.2.1' }]);
    expect(index.mark(WEB, WITH_NODES).revision).toBe(4);
    index.apply(anAddress('192.0.2.1', 5, true));
    expect([...index.takeDirty().services.keys()]).toEqual(['eu/shop/web']);
    expect(ingressOf(index)).toBeUndefined();
  });

  test('yield to what the cluster says, and are nothing to a Service of another type', () => {
    const service = { ...aService('web', { type: 'LoadBalancer' }), ...status('198.51.100.7') };
    expect(ingressOf(indexOf(input(aCluster('eu'), 1), anAddress('192.0.2.1', 2), input(service, 3)))).toEqual([
      { ip: '198.51.100.7' },
    ]);
    const inner = indexOf(input(aCluster('eu'), 1), anAddress('192.0.2.1', 2), input(aService('web'), 3));
    expect(ingressOf(inner)).toBeUndefined();
  });
});
