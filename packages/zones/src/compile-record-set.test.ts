import type { EndpointSliceObject, RecordSet, ServiceObject, ServiceView } from '@signalbox/contracts';
import { endpointSliceObjectSchema, serviceObjectSchema } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRecordSet } from './compile-record-set.ts';
import { recordData } from './records.ts';

type Spec = Partial<ServiceObject['spec']>;
type SliceInput = Partial<Pick<EndpointSliceObject, 'addressType' | 'ports'>> & {
  name?: string;
  endpoints?: object[];
};

function aView(spec: Spec = {}, slices: SliceInput[] = [], domain = 'cluster.local'): ServiceView {
  const metadata = { name: 'web', namespace: 'shop' };
  return {
    cluster: { name: 'shop', domain },
    service: serviceObjectSchema.parse({ kind: 'Service', metadata, spec: { clusterIPs: ['10.96.1.1'], ...spec } }),
    slices: slices.map((slice, index) => aSlice(slice, index)),
    nodes: [],
  };
}

function aSlice({ name, ...slice }: SliceInput, index: number): EndpointSliceObject {
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: { name: name ?? `web-${index}`, namespace: 'shop' },
    addressType: 'IPv4',
    ...slice,
  });
}

/** `NAME TYPE DATA` without the Service's own name, which is `@`. Reverse names keep theirs. */
function shortLines(document: RecordSet | undefined): string[] {
  return (document?.records ?? []).map((record) =>
    `${record.name} ${record.type} ${recordData(record)}`.replaceAll('web.shop.svc.cluster.local.', '@'),
  );
}

function linesOf(view: ServiceView): string[] {
  return shortLines(compileRecordSet(view, { ttlSeconds: 30 }).document);
}

function withoutPointers(lines: string[]): string[] {
  return lines.filter((line) => !line.includes(' PTR '));
}

const http = { name: 'http', protocol: 'TCP' as const, port: 80 };
const HEADLESS: Spec = { clusterIPs: ['None'], ports: [http] };
const slicePort = { name: 'http', protocol: 'TCP' as const, port: 8080 };

describe('records of a Service with cluster IPs', () => {
  test.for<{ name: string; view: ServiceView; lines: string[] }>([
    {
      name: 'an unnamed port has SRV at the service only',
      view: aView({ ports: [{ ...http, name: '' }] }),
      lines: ['1.1.96.10.in-addr.arpa. PTR @', '@ A 10.96.1.1', '@ SRV 0 100 80 @'],
    },
    {
      name: 'named ports share the weight at the service, and have all of it at their own names',
      view: aView({ ports: [http, { ...http, name: 'alt', port: 81 }] }),
      lines: [
        '1.1.96.10.in-addr.arpa. PTR @',
        '@ A 10.96.1.1',
        '@ SRV 0 50 80 @',
        '@ SRV 0 50 81 @',
        '_alt._tcp.@ SRV 0 100 81 @',
        '_http._tcp.@ SRV 0 100 80 @',
      ],
    },
    {
      name: 'two protocols on one port number are two names and one record at the service',
      view: aView({ ports: [http, { name: 'quic', protocol: 'UDP', port: 80 }] }),
      lines: [
        '1.1.96.10.in-addr.arpa. PTR @',
        '@ A 10.96.1.1',
        '@ SRV 0 50 80 @',
        '_http._tcp.@ SRV 0 100 80 @',
        '_quic._udp.@ SRV 0 100 80 @',
      ],
    },
    {
      name: 'dual stack has both address types, and weights count both addresses',
      view: aView({ clusterIPs: ['10.96.1.1', 'fd00:96::1'], ports: [{ ...http, name: '' }] }),
      lines: [
        '1.1.96.10.in-addr.arpa. PTR @',
        `${'1.0.0.0.'.repeat(1)}${'0.0.0.0.'.repeat(5)}6.9.0.0.0.0.d.f.ip6.arpa. PTR @`,
        '@ A 10.96.1.1',
        '@ AAAA fd00:96::1',
        '@ SRV 0 50 80 @',
      ],
    },
    {
      name: 'ready endpoints have names and pointers of their own',
      view: aView({}, [
        { endpoints: [{ addresses: ['10.244.1.11'] }, { addresses: ['10.244.1.12'], conditions: { ready: false } }] },
      ]),
      lines: [
        '11.1.244.10.in-addr.arpa. PTR 10-244-1-11.@',
        '1.1.96.10.in-addr.arpa. PTR @',
        '@ A 10.96.1.1',
        '10-244-1-11.@ A 10.244.1.11',
      ],
    },
    {
      name: 'endpoints have SRV of their own ports, named or not',
      view: aView({}, [
        { ports: [{ ...slicePort, name: '' }], endpoints: [{ addresses: ['10.244.1.11'], hostname: 'web-0' }] },
        { ports: [slicePort, { ...slicePort, name: 'alt', port: 8081 }], endpoints: [{ addresses: ['10.244.1.12'] }] },
        { ports: [{ name: 'any', protocol: 'TCP', port: null }], endpoints: [{ addresses: ['10.244.1.13'] }] },
      ]),
      lines: [
        '11.1.244.10.in-addr.arpa. PTR web-0.@',
        '12.1.244.10.in-addr.arpa. PTR 10-244-1-12.@',
        '13.1.244.10.in-addr.arpa. PTR 10-244-1-13.@',
        '1.1.96.10.in-addr.arpa. PTR @',
        '@ A 10.96.1.1',
        '10-244-1-12.@ A 10.244.1.12',
        '10-244-1-12.@ SRV 0 50 8080 10-244-1-12.@',
        '10-244-1-12.@ SRV 0 50 8081 10-244-1-12.@',
        '10-244-1-13.@ A 10.244.1.13',
        'web-0.@ A 10.244.1.11',
        'web-0.@ SRV 0 100 8080 web-0.@',
      ],
    },
    { name: 'nothing allocated and nobody behind it: nothing', view: aView({ clusterIPs: [] }), lines: [] },
  ])('$name', ({ view, lines }) => {
    expect(linesOf(view).sort()).toEqual(lines.sort());
  });
});

describe('records of a headless Service', () => {
  test.for<{ name: string; view: ServiceView; lines: string[] }>([
    {
      name: 'every ready endpoint, by hostname or dashed address',
      view: aView(HEADLESS, [
        {
          ports: [slicePort],
          endpoints: [
            { addresses: ['10.244.1.11'], hostname: 'web-0' },
            { addresses: ['10.244.1.12'], conditions: { ready: null } },
            { addresses: ['10.244.1.13'], conditions: { ready: false, serving: true, terminating: true } },
          ],
        },
      ]),
      lines: [
        '@ A 10.244.1.11',
        '@ A 10.244.1.12',
        '@ SRV 0 50 8080 10-244-1-12.@',
        '@ SRV 0 50 8080 web-0.@',
        '10-244-1-12.@ A 10.244.1.12',
        '10-244-1-12.@ SRV 0 100 8080 10-244-1-12.@',
        '_http._tcp.@ SRV 0 50 8080 10-244-1-12.@',
        '_http._tcp.@ SRV 0 50 8080 web-0.@',
        'web-0.@ A 10.244.1.11',
        'web-0.@ SRV 0 100 8080 web-0.@',
      ],
    },
    {
      name: 'endpoints that are not ready too, where the Service publishes them',
      view: aView({ ...HEADLESS, publishNotReadyAddresses: true }, [
        { endpoints: [{ addresses: ['10.244.1.13'], conditions: { ready: false } }] },
      ]),
      lines: ['@ A 10.244.1.13', '10-244-1-13.@ A 10.244.1.13'],
    },
    {
      name: 'one host in both families is one SRV target',
      view: aView(HEADLESS, [
        { ports: [slicePort], endpoints: [{ addresses: ['10.244.1.11'], hostname: 'web-0' }] },
        { addressType: 'IPv6', ports: [slicePort], endpoints: [{ addresses: ['fd00::B'], hostname: 'web-0' }] },
      ]),
      lines: [
        '@ A 10.244.1.11',
        '@ AAAA fd00::b',
        '@ SRV 0 50 8080 web-0.@',
        '_http._tcp.@ SRV 0 50 8080 web-0.@',
        'web-0.@ A 10.244.1.11',
        'web-0.@ AAAA fd00::b',
        'web-0.@ SRV 0 50 8080 web-0.@',
      ],
    },
    {
      name: 'an endpoint in two slices has each record once, and counts twice where weight is shared',
      view: aView(HEADLESS, [
        { ports: [slicePort], endpoints: [{ addresses: ['10.244.1.11'] }] },
        { ports: [slicePort], endpoints: [{ addresses: ['10.244.1.11'] }] },
      ]),
      lines: [
        '@ A 10.244.1.11',
        '@ SRV 0 50 8080 10-244-1-11.@',
        '10-244-1-11.@ A 10.244.1.11',
        '10-244-1-11.@ SRV 0 50 8080 10-244-1-11.@',
        '_http._tcp.@ SRV 0 50 8080 10-244-1-11.@',
      ],
    },
    {
      name: 'a dashed address never begins or ends with a dash',
      view: aView(HEADLESS, [{ addressType: 'IPv6', endpoints: [{ addresses: ['::1'] }, { addresses: ['fd00::'] }] }]),
      lines: ['@ AAAA ::1', '@ AAAA fd00::', '0--1.@ AAAA ::1', 'fd00--0.@ AAAA fd00::'],
    },
    {
      name: 'more than a hundred targets weigh one each',
      view: aView({ clusterIPs: ['None'] }, [
        {
          ports: [{ ...slicePort, name: '' }],
          endpoints: Array.from({ length: 120 }, (_, index) => ({ addresses: [`10.1.0.${index}`], hostname: 'same' })),
        },
      ]),
      lines: [
        '@ SRV 0 1 8080 same.@',
        'same.@ SRV 0 1 8080 same.@',
        ...Array.from({ length: 120 }, (_, index) => `@ A 10.1.0.${index}`),
        ...Array.from({ length: 120 }, (_, index) => `same.@ A 10.1.0.${index}`),
      ],
    },
  ])('$name', ({ view, lines }) => {
    expect(withoutPointers(linesOf(view)).sort()).toEqual(lines.sort());
  });
});

describe('what is left out, and said', () => {
  const external = (externalName: string) => aView({ type: 'ExternalName', clusterIPs: [], externalName });
  test.for<{ name: string; view: ServiceView; skipped: [path: string, reason: RegExp][]; lines?: string[] }>([
    { name: 'an alias', view: external('Db.Example.com'), skipped: [], lines: ['@ CNAME db.example.com.'] },
    {
      name: 'an alias with a trailing dot',
      view: external('db.example.com.'),
      skipped: [],
      lines: ['@ CNAME db.example.com.'],
    },
    { name: 'an alias to an address', view: external('10.0.0.1'), skipped: [['spec.externalName', /is an address/]] },
    {
      name: 'an alias to an IPv6 address',
      view: external('fd00::1'),
      skipped: [['spec.externalName', /is an address/]],
    },
    { name: 'an alias to nothing', view: external(''), skipped: [['spec.externalName', /not a host name/]] },
    {
      name: 'an alias that would break out of a zone file',
      view: external('a.example.\nevil IN A 1.2.3.4'),
      skipped: [['spec.externalName', /not a host name/]],
    },
    {
      name: 'an alias of itself',
      view: external('web.shop.svc.cluster.local'),
      skipped: [['spec.externalName', /alias of itself/]],
    },
    {
      name: 'a cluster IP that is none',
      view: aView({ clusterIPs: ['10.96.1.300', 'fd00::1'] }),
      skipped: [['spec.clusterIPs[0]', /"10.96.1.300" is not an address/]],
      lines: ['@ AAAA fd00::1'],
    },
    {
      name: 'a port name that is too long with its underscore',
      view: aView({ ports: [{ ...http, name: 'a'.repeat(63) }] }),
      skipped: [['spec.ports[].name', /makes no DNS label/]],
      lines: ['@ A 10.96.1.1', '@ SRV 0 100 80 @'],
    },
    {
      name: 'endpoints of the wrong family, with a zone, mapped, or no address at all',
      view: aView({ clusterIPs: ['None'] }, [
        { endpoints: [{ addresses: ['fd00::1', '010.0.0.1', '10.0.0.1\n', '10.0.0.2'] }] },
        { addressType: 'IPv6', endpoints: [{ addresses: ['fe80::1%eth0', '::ffff:10.0.0.1'] }] },
      ]),
      skipped: [
        ['EndpointSlice web-0: endpoints[0].addresses[0]', /not an address of type IPv4/],
        ['EndpointSlice web-0: endpoints[0].addresses[1]', /not an address/],
        ['EndpointSlice web-0: endpoints[0].addresses[2]', /not an address/],
        ['EndpointSlice web-1: endpoints[0].addresses[0]', /not an address of type IPv6/],
        ['EndpointSlice web-1: endpoints[0].addresses[1]', /not an address/],
      ],
      lines: ['@ A 10.0.0.2', '10-0-0-2.@ A 10.0.0.2'],
    },
    {
      name: 'a hostname that is no label: the address is used instead',
      view: aView({ clusterIPs: ['None'] }, [{ endpoints: [{ addresses: ['10.0.0.1'], hostname: 'a b.c' }] }]),
      skipped: [['EndpointSlice web-0: endpoints[0].hostname', /"a b.c" is not a DNS label; 10-0-0-1 is used/]],
      lines: ['@ A 10.0.0.1', '10-0-0-1.@ A 10.0.0.1'],
    },
    {
      name: 'endpoints known by name only',
      view: aView({}, [{ addressType: 'FQDN', endpoints: [{ addresses: ['db.example.com'] }] }]),
      skipped: [['EndpointSlice web-0: addressType', /FQDN/]],
      lines: ['@ A 10.96.1.1'],
    },
    {
      name: 'a cluster whose domain is none',
      view: aView({}, [], 'cluster .local'),
      skipped: [['metadata.name', /is not a domain name/]],
    },
    {
      name: 'a domain too long for the Service',
      view: aView({}, [], Array.from({ length: 4 }, () => 'd'.repeat(60)).join('.')),
      skipped: [['metadata.name', /is not a domain name/]],
    },
  ])('$name', ({ view, skipped, lines = [] }) => {
    const result = compileRecordSet(view, { ttlSeconds: 30 });
    expect(result.skipped.map(({ path }) => path)).toEqual(skipped.map(([path]) => path));
    for (const [index, [, reason]] of skipped.entries()) expect(result.skipped[index]?.reason).toMatch(reason);
    expect(withoutPointers(shortLines(result.document)).sort()).toEqual(lines.sort());
  });

  test('a Service without records has no document', () => {
    expect(compileRecordSet(external('10.0.0.1'), { ttlSeconds: 30 }).document).toBeUndefined();
  });
});

test('the order of slices and endpoints never matters', () => {
  const addresses = Array.from({ length: 8 }, (_, index) => `10.0.0.${index}`);
  const order = fc.shuffledSubarray(addresses, { minLength: 8 });
  fc.assert(
    fc.property(order, order, fc.nat(8), (left, right, cut) => {
      const compile = (all: string[], at: number) =>
        compileRecordSet(
          aView(HEADLESS, [
            { ports: [slicePort], endpoints: all.slice(0, at).map((address) => ({ addresses: [address] })) },
            { ports: [slicePort], endpoints: all.slice(at).map((address) => ({ addresses: [address] })) },
          ]),
          { ttlSeconds: 5 },
        ).document;
      expect(compile(left, cut)).toEqual(compile(right, 4));
    }),
  );
});

test('TTL and upper-case domain', () => {
  const { document } = compileRecordSet(aView({}, [], 'Prod.Example.'), { ttlSeconds: 7 });
  expect(document).toEqual({
    cluster: 'shop',
    namespace: 'shop',
    name: 'web',
    records: [
      { name: '1.1.96.10.in-addr.arpa.', ttlSeconds: 7, type: 'PTR', target: 'web.shop.svc.prod.example.' },
      { name: 'web.shop.svc.prod.example.', ttlSeconds: 7, type: 'A', address: '10.96.1.1' },
    ],
    serviceKind: 'cluster_ip',
  });
});

test.for([
  { name: 'a cluster IP', spec: {}, kind: 'cluster_ip' },
  { name: 'headless, of Pods', spec: { clusterIPs: ['None'], selector: { a: 'b' } }, kind: 'headless_with_selector' },
  { name: 'headless, of others', spec: { clusterIPs: ['None'] }, kind: 'headless_without_selector' },
  {
    name: 'headless, with an empty selector',
    spec: { clusterIPs: ['None'], selector: {} },
    kind: 'headless_without_selector',
  },
  { name: 'an alias', spec: { type: 'ExternalName', externalName: 'example.com' } as const, kind: undefined },
])('the kind of Service is told, for metrics: $name', ({ spec, kind }) => {
  const { document } = compileRecordSet(aView(spec, [{ endpoints: [{ addresses: ['10.0.0.1'] }] }]), {
    ttlSeconds: 30,
  });
  expect(document?.serviceKind).toBe(kind);
});
