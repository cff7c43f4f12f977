import {
  type IntentObject,
  intentObjectSchema,
  type RecordSet,
  type ServiceObject,
  serviceObjectSchema,
} from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRecordSet } from '../compile-record-set.ts';
import { encodeAnswer } from '../encode-answer.ts';
import { recordData } from '../records.ts';
import { zoneFileText } from '../zone-file-text.ts';
import { ZoneIndex } from '../zone-index.ts';
import { compileIntent } from './compile-intent.ts';
import { parseRecordValue } from './parse-record-value.ts';

const TTL = { ttlSeconds: 30 };

function anIntent(kind: string, name: string, spec: object = {}): IntentObject {
  return intentObjectSchema.parse({ kind, metadata: { name }, spec });
}

function zonesOf(...names: string[]) {
  return names.map((name) => anIntent('DnsZone', name)).filter((intent) => intent.kind === 'DnsZone');
}

const EXAMPLE = zonesOf('example.com');

describe('values of records', () => {
  test.for<
    [type: 'A' | 'AAAA' | 'CNAME' | 'TXT' | 'SRV' | 'MX' | 'CAA' | 'NS', text: string, data: string | undefined]
  >([
    ['A', '192.0.2.1', '192.0.2.1'],
    ['A', '192.0.2.01', undefined],
    ['A', '::1', undefined],
    ['AAAA', '2001:DB8::0:1', '2001:db8::1'],
    ['AAAA', '::ffff:192.0.2.1', undefined],
    ['CNAME', 'Shop.Example.net', 'shop.example.net.'],
    ['CNAME', 'a b', undefined],
    ['CNAME', '_x.example.net', '_x.example.net.'],
    ['NS', 'ns1.example.net.', 'ns1.example.net.'],
    ['NS', '192.0.2.1', undefined],
    ['NS', '_x.example.net', undefined],
    ['MX', '10 mail.example.com', '10 mail.example.com.'],
    ['MX', '0 .', '0 .'],
    ['MX', '65536 mail.example.com', undefined],
    ['MX', 'mail.example.com', undefined],
    ['SRV', '0 5 5060 sip.example.com', '0 5 5060 sip.example.com.'],
    ['SRV', '0 0 0 .', '0 0 0 .'],
    ['SRV', '0 5 70000 sip.example.com', undefined],
    ['TXT', 'v=spf1 "x" -all', '"v=spf1 \\"x\\" -all"'],
    ['CAA', '0 issue "ca.example.net; a=b"', '0 issue "ca.example.net; a=b"'],
    ['CAA', '128 Iodef mailto:a@example.com', '128 iodef "mailto:a@example.com"'],
    ['CAA', '256 issue "x"', undefined],
    ['CAA', '0 is-sue "x"', undefined],
    ['CAA', '0 issue "a"b"', undefined],
  ])('%s %s → %s', ([type, text, data]) => {
    const parsed = parseRecordValue(type, text);
    const record = 'value' in parsed ? { name: 'x.', ttlSeconds: 1, ...parsed.value } : undefined;
    expect(record && recordData(record)).toBe(data);
  });
});

describe('records of an intent', () => {
  test('take their TTL from themselves, the zone, the worker', () => {
    const zones = zonesOf('example.com').map((zone) => ({ ...zone, spec: { ttlSeconds: 300 } }));
    const spec = { name: 'www.Example.com', type: 'A', values: ['192.0.2.2', '192.0.2.1', '192.0.2.1'] };
    const ttl = (more: object, all: typeof EXAMPLE = zones) =>
      compileIntent(anIntent('DnsRecords', 'www', { ...spec, ...more }), { zones: all, ...TTL }).document?.records.map(
        (record) => `${record.name} ${record.ttlSeconds} ${recordData(record)}`,
      );
    expect(ttl({ ttlSeconds: 5 })).toEqual(['www.example.com. 5 192.0.2.1', 'www.example.com. 5 192.0.2.2']);
    expect(ttl({})?.[0]).toBe('www.example.com. 300 192.0.2.1');
    expect(ttl({}, EXAMPLE)?.[0]).toBe('www.example.com. 30 192.0.2.1');
  });

  test('that are wrong are left out by themselves', () => {
    const spec = { name: 'www.example.com', type: 'A', values: ['192.0.2.1', 'bogus'] };
    const { document, skipped } = compileIntent(anIntent('DnsRecords', 'www', spec), { zones: EXAMPLE, ...TTL });
    expect(document?.records).toHaveLength(1);
    expect(skipped.map(({ path }) => path)).toEqual(['spec.values[1]']);
  });
});

describe('public names of a Service', () => {
  const HOSTNAME = 'external-dns.alpha.kubernetes.io/hostname';
  const alias = anIntent('DnsAlias', 'shop', { name: 'shop.example.com', service: { namespace: 'shop', name: 'web' } });
  const apex = anIntent('DnsAlias', 'top', { name: 'example.com', service: { namespace: 'shop', name: 'web' } });

  function linesOf(parts: { spec?: object; ingress?: object[]; annotations?: object; aliases?: IntentObject[] }) {
    const service: ServiceObject = serviceObjectSchema.parse({
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop', annotations: parts.annotations },
      spec: { type: 'LoadBalancer', ...parts.spec },
      status: { loadBalancer: { ingress: parts.ingress ?? [] } },
    });
    const aliases = (parts.aliases ?? []).filter((intent) => intent.kind === 'DnsAlias');
    const cluster = { name: 'c1', domain: 'cluster.local' };
    const view = { cluster, service, slices: [], nodes: [], dns: { zones: EXAMPLE, aliases } };
    const { document, skipped } = compileRecordSet(view, TTL);
    const lines = (document?.records ?? []).map(
      (one) => `${one.name} ${one.ttlSeconds} ${one.type} ${recordData(one)}`,
    );
    return { lines, skipped: skipped.map(({ reason }) => reason) };
  }

  test.for<{ name: string; input: Parameters<typeof linesOf>[0]; lines: string[]; skipped?: RegExp }>([
    {
      name: 'addresses of both families',
      input: {
        aliases: [alias],
        ingress: [{ ip: '203.0.113.7' }, { ip: '2001:db8::7' }, { hostname: 'lb.example.net' }],
      },
      lines: ['shop.example.com. 30 A 203.0.113.7', 'shop.example.com. 30 AAAA 2001:db8::7'],
    },
    {
      name: 'external IPs before those of the load balancer',
      input: { aliases: [alias], spec: { externalIPs: ['192.0.2.9'] }, ingress: [{ ip: '203.0.113.7' }] },
      lines: ['shop.example.com. 30 A 192.0.2.9'],
    },
    {
      name: 'the address that was asked for, until there is one',
      input: { aliases: [alias], spec: { loadBalancerIP: '203.0.113.5' } },
      lines: ['shop.example.com. 30 A 203.0.113.5'],
    },
    {
      name: 'an alias of a host name',
      input: { aliases: [alias], ingress: [{ hostname: 'lb-2.example.net' }, { hostname: 'LB-1.example.net' }] },
      lines: ['shop.example.com. 30 CNAME lb-1.example.net.'],
    },
    {
      name: 'but not at the top of a zone',
      input: { aliases: [apex], ingress: [{ hostname: 'lb.example.net' }] },
      lines: [],
      skipped: /cannot be an alias/,
    },
    {
      name: 'nothing while there is no address',
      input: { aliases: [alias] },
      lines: [],
      skipped: /no public address yet/,
    },
    {
      name: "ExternalDNS's names in our zones only, with its TTL",
      input: {
        annotations: { [HOSTNAME]: 'a.example.com,b.example.org', 'external-dns.alpha.kubernetes.io/ttl': '1h1m1s' },
        ingress: [{ ip: '203.0.113.7' }],
      },
      lines: ['a.example.com. 3661 A 203.0.113.7'],
    },
    {
      name: 'a TTL that is none is told, and not taken',
      input: {
        annotations: { [HOSTNAME]: 'a.example.com', 'signalbox.dev/dns-ttl': '-1' },
        ingress: [{ ip: '203.0.113.7' }],
      },
      lines: ['a.example.com. 30 A 203.0.113.7'],
      skipped: /"-1" is not a TTL/,
    },
  ])('$name', ({ input, lines, skipped }) => {
    const result = linesOf(input);
    expect(result.lines).toEqual(lines);
    expect(result.skipped.join()).toMatch(skipped ?? /^$/);
  });
});

function anIndex(...intents: IntentObject[]): ZoneIndex {
  const index = new ZoneIndex(TTL);
  const zones = intents.filter((intent) => intent.kind === 'DnsZone');
  for (const intent of intents) {
    const { document } = compileIntent(intent, { zones, ...TTL });
    if (document !== undefined) index.upsert(document);
  }
  index.setClusters([{ name: 'c1', domain: 'cluster.local', isSynced: true }], 7);
  return index;
}

const records = (name: string, type: string, ...values: string[]) =>
  anIntent('DnsRecords', `${name}.${type}`.toLowerCase(), { name, type, values });

test('a zone that holds another delegates to it, and holds nothing of it', () => {
  const index = anIndex(
    ...zonesOf('local', 'example.com', 'a.example.com'),
    records('www.a.example.com', 'A', '192.0.2.1'),
    records('www.example.com', 'A', '192.0.2.2'),
  );
  const linesIn = (zone: string) =>
    (index.zone(zone)?.records ?? [])
      .filter(({ name, type }) => type !== 'SOA' && name !== zone && name !== `ns.dns.${zone}`)
      .map((record) => `${record.name} ${record.type} ${recordData(record)}`);
  expect(linesIn('example.com.')).toEqual([
    'a.example.com. NS ns.dns.a.example.com.',
    'ns.dns.a.example.com. A 127.0.0.1',
    'www.example.com. A 192.0.2.2',
  ]);
  expect(linesIn('a.example.com.')).toEqual(['www.a.example.com. A 192.0.2.1']);
  expect(linesIn('local.')).toEqual(['cluster.local. NS ns.dns.cluster.local.', 'ns.dns.cluster.local. A 127.0.0.1']);
});

describe('zones of intents', () => {
  const index = anIndex(
    ...EXAMPLE,
    records('www.example.com', 'CNAME', 'web.example.com'),
    records('web.example.com', 'A', '192.0.2.1'),
    records('web.example.com', 'MX', '10 web.example.com'),
    records('*.apps.example.com', 'A', '192.0.2.2'),
    records('known.apps.example.com', 'TXT', 'x'),
    records('sub.example.com', 'NS', 'ns.sub.example.com'),
    records('ns.sub.example.com', 'A', '192.0.2.3'),
    records('x.cluster.local.example.com', 'A', '192.0.2.4'),
  );
  const ask = (name: string, type: string) => {
    const answer = index.answer({ name: `${name}.`, type });
    const text = (groups: typeof answer.answers) =>
      groups
        .flat()
        .map((one) => `${one.name} ${one.type}`)
        .join(', ');
    return `${answer.code} | ${text(answer.answers)} | ${text(answer.authority)} | ${text(answer.additional)}`;
  };

  test.for<[name: string, type: string, answer: string]>([
    ['web.example.com', 'A', 'NOERROR | web.example.com. A |  | '],
    ['web.example.com', 'MX', 'NOERROR | web.example.com. MX |  | web.example.com. A'],
    ['www.example.com', 'MX', 'NOERROR | www.example.com. CNAME, web.example.com. MX |  | web.example.com. A'],
    ['foo.apps.example.com', 'A', 'NOERROR | foo.apps.example.com. A |  | '],
    ['a.b.apps.example.com', 'A', 'NOERROR | a.b.apps.example.com. A |  | '],
    ['foo.apps.example.com', 'TXT', 'NOERROR |  | example.com. SOA | '],
    ['known.apps.example.com', 'A', 'NOERROR |  | example.com. SOA | '],
    ['x.known.apps.example.com', 'A', 'NXDOMAIN |  | example.com. SOA | '],
    ['apps.example.com', 'A', 'NOERROR |  | example.com. SOA | '],
    ['nosuch.example.com', 'A', 'NXDOMAIN |  | example.com. SOA | '],
    ['a.sub.example.com', 'A', 'NOERROR |  | sub.example.com. NS | ns.sub.example.com. A'],
    ['ns.sub.example.com', 'A', 'NOERROR |  | sub.example.com. NS | ns.sub.example.com. A'],
    ['dns-version.example.com', 'TXT', 'NXDOMAIN |  | example.com. SOA | '],
  ])('%s %s: %s', ([name, type, answer]) => {
    expect(ask(name, type)).toBe(answer);
  });

  test('a referral is not authoritative', () => {
    const options = { maxBytes: 512, question: undefined, questionName: undefined, udpPayloadSize: undefined };
    const flags = (name: string) =>
      encodeAnswer(index.answer({ name, type: 'A' }), options, { id: 1, opcode: 0, isRecursionDesired: false })[2];
    expect([flags('web.example.com.'), flags('a.sub.example.com.')]).toEqual([0x84, 0x80]);
  });

  test('a zone file has them all, whatever their order', () => {
    const zone = index.zone('example.com.');
    expect(zone && zoneFileText(zone)).toContain('web.example.com.\t30\tIN\tMX\t10 web.example.com.\n');
  });

  test('a zone at or below a domain of a cluster is rejected, also when the cluster comes later', () => {
    const late = anIndex(...zonesOf('c.local', 'b.c.local'), records('www.b.c.local', 'A', '192.0.2.1'));
    expect(late.answer({ name: 'www.b.c.local.', type: 'A' }).answers).toHaveLength(1);
    late.setClusters([{ name: 'c2', domain: 'b.c.local', isSynced: true }], 8);
    expect(late.rejectedZones).toEqual(['b.c.local.']);
    expect(late.answer({ name: 'www.b.c.local.', type: 'A' }).code).toBe('NXDOMAIN');
    expect(late.answer({ name: 'c.local.', type: 'SOA' }).answers).toHaveLength(1);
    late.setClusters([], 9);
    expect(late.rejectedZones).toEqual([]);
    expect(late.answer({ name: 'www.b.c.local.', type: 'A' }).answers).toHaveLength(1);
  });

  test('records that belong to a cluster by name never reach its zone', () => {
    const sneaky = new ZoneIndex(TTL);
    const [record] =
      compileIntent(records('a.example.com', 'A', '6.6.6.6'), { zones: EXAMPLE, ...TTL }).document?.records ?? [];
    if (record === undefined) throw new Error('no record');
    const name = 'web.shop.svc.cluster.local.';
    sneaky.upsert({ cluster: '', namespace: 'DnsRecords', name: 'x', records: [{ ...record, name }] });
    sneaky.upsert({ cluster: 'c2', namespace: 'shop', name: 'x', records: [{ ...record, name }] });
    const clusters = [
      { name: 'c1', domain: 'cluster.local', isSynced: true },
      { name: 'c2', domain: 'c2.local', isSynced: true },
    ];
    sneaky.setClusters(clusters, 3);
    expect(sneaky.answer({ name, type: 'A' }).code).toBe('NXDOMAIN');
  });

  test('while a cluster is missing, what is not there is not said not to exist', () => {
    const partial = anIndex(...EXAMPLE, records('web.example.com', 'A', '192.0.2.1'));
    partial.setClusters([{ name: 'c1', domain: 'cluster.local', isSynced: false }], 8);
    expect(partial.answer({ name: 'web.example.com.', type: 'A' }).code).toBe('NOERROR');
    expect(partial.answer({ name: 'no.example.com.', type: 'A' }).code).toBe('SERVFAIL');
  });

  test('an alias beside other records gives way', () => {
    const both = anIndex(
      ...EXAMPLE,
      records('x.example.com', 'CNAME', 'y.example.com'),
      records('x.example.com', 'A', '192.0.2.1'),
    );
    expect(both.zone('example.com.')?.records.filter(({ name }) => name === 'x.example.com.')).toMatchObject([
      { type: 'A' },
    ]);
  });
});

describe('weighted answers', () => {
  const set = (name: string, weight: number, ...values: string[]) =>
    anIntent('DnsRecords', name, { name: 'api.example.com', type: 'A', values, weight });
  const addresses = (index: ZoneIndex, pick: number) => {
    const answer = index.answer({ name: 'api.example.com.', type: 'A', pick });
    expect(answer.isChosen).toBe(true);
    return answer.answers.flat().map(recordData).join();
  };

  test('each set comes in proportion to its weight, whole, and as the same array', () => {
    const index = anIndex(
      ...EXAMPLE,
      set('old', 9, '192.0.2.1', '192.0.2.2'),
      set('new', 1, '192.0.2.3'),
      set('off', 0, '192.0.2.4'),
    );
    const counts = new Map<string, number>();
    for (let step = 0; step < 1000; step += 1) {
      const found = addresses(index, step / 1000);
      counts.set(found, (counts.get(found) ?? 0) + 1);
    }
    expect(Object.fromEntries(counts)).toEqual({ '192.0.2.3': 100, '192.0.2.1,192.0.2.2': 900 });
    const group = (pick: number) => index.answer({ name: 'api.example.com.', type: 'A', pick }).answers[0];
    expect(group(0.5)).toBe(group(0.6));
  });

  test('sets that all weigh nothing count alike', () => {
    const index = anIndex(...EXAMPLE, set('a', 0, '192.0.2.1'), set('b', 0, '192.0.2.2'));
    expect([addresses(index, 0), addresses(index, 0.9)]).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('a transfer has every set that weighs something', () => {
    const index = anIndex(
      ...EXAMPLE,
      set('old', 9, '192.0.2.1'),
      set('same', 1, '192.0.2.1'),
      set('off', 0, '192.0.2.4'),
    );
    const own = index.zone('example.com.')?.records.filter(({ name }) => name === 'api.example.com.');
    expect(own).toEqual([{ name: 'api.example.com.', ttlSeconds: 30, type: 'A', address: '192.0.2.1' }]);
  });

  const transferred = (...intents: IntentObject[]) => {
    const records = anIndex(...EXAMPLE, ...intents).zone('example.com.')?.records ?? [];
    return records.filter(({ name }) => name === 'api.example.com.').map(recordData);
  };

  test('a transfer has all sets where none weighs anything, as answers have', () => {
    expect(transferred(set('a', 0, '192.0.2.1'), set('b', 0, '192.0.2.2'))).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('a transfer has the weightiest of several aliases', () => {
    const alias = (name: string, weight: number) =>
      anIntent('DnsRecords', name, { name: 'api.example.com', type: 'CNAME', values: [`${name}.example.org`], weight });
    expect(transferred(alias('a', 1), alias('b', 5), alias('c', 2))).toEqual(['b.example.org.']);
  });
});

function documentOf(intent: IntentObject): RecordSet {
  const { document } = compileIntent(intent, { zones: zonesOf('example.com', 'a.example.com'), ...TTL });
  if (document === undefined) throw new Error('every intent of this test has a document');
  return document;
}

function applyStep(
  index: ZoneIndex,
  state: Map<string, IntentObject>,
  { intent, isGone }: { intent: IntentObject; isGone: boolean },
) {
  const key = `${intent.kind}/${intent.metadata.name}`;
  if (isGone) {
    index.remove(documentOf(intent));
    state.delete(key);
  } else {
    index.upsert(documentOf(intent));
    state.set(key, intent);
  }
}

test('whatever comes and goes, an index answers like a fresh one', () => {
  const names = ['example.com', 'a.example.com', 'x.a.example.com', 'cluster.local'];
  const intent = fc.oneof(
    fc.constantFrom('example.com', 'a.example.com').map((name) => anIntent('DnsZone', name)),
    fc
      .tuple(
        fc.constantFrom(...names.slice(0, 3)),
        fc.constantFrom('192.0.2.1', '192.0.2.2'),
        fc.constantFrom('p', 'q'),
      )
      .map(([name, value, id]) => anIntent('DnsRecords', id, { name, type: 'A', values: [value] })),
  );
  const step = fc.record({ intent, isGone: fc.boolean(), domain: fc.constantFrom('cluster.local', 'a.example.com') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const index = new ZoneIndex(TTL);
      const state = new Map<string, IntentObject>();
      let domain = 'cluster.local';
      for (const one of steps) {
        domain = one.domain;
        applyStep(index, state, one);
        index.setClusters([{ name: 'c1', domain, isSynced: true }], 1);
      }
      const fresh = new ZoneIndex(TTL);
      for (const kept of state.values()) fresh.upsert(documentOf(kept));
      if (steps.length > 0) fresh.setClusters([{ name: 'c1', domain, isSynced: true }], 1);
      const all = (one: ZoneIndex) => names.map((name) => one.answer({ name: `${name}.`, type: 'A' }));
      expect(all(index)).toEqual(all(fresh));
      const counts = (one: ZoneIndex) =>
        one
          .zones()
          .map(({ name, recordCount }) => `${name} ${recordCount}`)
          .sort();
      expect(counts(index)).toEqual(counts(fresh));
    }),
  );
});
