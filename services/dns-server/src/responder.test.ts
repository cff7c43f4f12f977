import type { DnsRecord } from '@signalbox/contracts';
import { createLogger, createRegistry } from '@signalbox/kit';
import { ZoneIndex } from '@signalbox/zones';
import dnsPacket, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { createDnsMetrics } from './metrics.ts';
import { QueryAcl } from './query-acl.ts';
import { type Incoming, type Responder, respond } from './responder.ts';
import { Staleness } from './staleness.ts';
import type { Transfers } from './transfer/answer-transfer.ts';
import { createTransferMetrics } from './transfer/transfer-metrics.ts';
import { TransferRules } from './transfer/transfer-rules.ts';
import { ZoneVersions } from './transfer/zone-versions.ts';

const DOMAIN = 'cluster.local';

function aResponder(records: DnsRecord[], settings: Partial<Responder> = {}): Responder {
  const index = new ZoneIndex({ ttlSeconds: 30, serverAddresses: ['10.96.0.10'] });
  index.upsert({ cluster: 'shop', namespace: 'ns', name: 'all', records });
  index.setClusters([{ name: 'shop', domain: DOMAIN, isSynced: true }], 7);
  return {
    index,
    metrics: createDnsMetrics(createRegistry(), { index, staleness: new Staleness() }),
    logger: createLogger({ component: 'test', level: 'silent' }),
    transfers: aTransfers(index),
    maxUdpBytes: 1232,
    acl: new QueryAcl([]),
    ...settings,
  };
}

function aTransfers(index: ZoneIndex): Transfers {
  const versions = new ZoneVersions(index);
  versions.advance({ isExact: true });
  const metrics = createTransferMetrics(createRegistry(), versions);
  const logger = createLogger({ component: 'test', level: 'silent' });
  return { index, versions, rules: new TransferRules(), keys: [], metrics, logger };
}

function addresses(name: string, count: number): DnsRecord[] {
  return Array.from({ length: count }, (_, index) => {
    return { name, ttlSeconds: 30, type: 'A', address: `10.0.${index >> 8}.${index & 255}` };
  });
}

const records: DnsRecord[] = [
  ...addresses('web.ns.svc.cluster.local.', 2),
  ...addresses('many.ns.svc.cluster.local.', 200),
  ...addresses('huge.ns.svc.cluster.local.', 5000),
  {
    name: '_http._tcp.web.ns.svc.cluster.local.',
    ttlSeconds: 30,
    type: 'SRV',
    priority: 0,
    weight: 50,
    port: 80,
    target: 'web.ns.svc.cluster.local.',
  },
  ...addresses('self.ns.svc.cluster.local.', 1),
  {
    name: 'self.ns.svc.cluster.local.',
    ttlSeconds: 30,
    type: 'SRV',
    priority: 0,
    weight: 100,
    port: 80,
    target: 'self.ns.svc.cluster.local.',
  },
  { name: 'text.ns.svc.cluster.local.', ttlSeconds: 30, type: 'TXT', text: ['a"b', 'é'] },
  { name: 'alias.ns.svc.cluster.local.', ttlSeconds: 30, type: 'CNAME', target: 'db.example.com.' },
  { name: 'v6.ns.svc.cluster.local.', ttlSeconds: 30, type: 'AAAA', address: 'fd00::1' },
  { name: '1.0.0.10.in-addr.arpa.', ttlSeconds: 30, type: 'PTR', target: 'web.ns.svc.cluster.local.' },
];
const responder = aResponder(records);

function question(name: string, type: string, extra: Packet = {}): Buffer {
  // dns-packet knows more types than its typings do.
  const questions = [{ name, type: type as 'A' }];
  return dnsPacket.encode({ type: 'query', id: 4711, flags: dnsPacket.RECURSION_DESIRED, questions, ...extra });
}

function withEdns(udpPayloadSize: number): Packet {
  return { additionals: [{ type: 'OPT', name: '.', udpPayloadSize, flags: 0, options: [] } as unknown as Answer] };
}

/** Without a forwarder no answer has to wait. */
function respondNow(...args: Parameters<typeof respond>): Iterable<Uint8Array> {
  const messages = respond(...args);
  if (messages instanceof Promise) throw new Error('an answer that has to wait');
  return messages;
}

function ask(packet: Uint8Array, from: Partial<Incoming> = {}, asked = responder): DecodedPacket[] {
  const messages = [...respondNow(asked, { packet, protocol: 'udp', peer: '127.0.0.1', ...from })];
  return messages.map((message) => dnsPacket.decode(Buffer.from(message)));
}

/** `RCODE | answer | authority | additional`, as another implementation reads them. */
function summary([message]: DecodedPacket[]): string {
  if (message === undefined) return 'nothing';
  const sections = [message.answers, message.authorities, message.additionals].map((section) =>
    (section ?? []).map(recordText).join(', '),
  );
  // dns-packet puts the code beside the typed fields.
  const { rcode } = message as unknown as { rcode: string };
  return [rcode, ...sections].join(' | ').replaceAll('.ns.svc.cluster.local', '').trimEnd();
}

function recordText(record: Answer): string {
  if (record.type === 'OPT') return `OPT ${record.udpPayloadSize}`;
  const { data } = record as { data?: unknown };
  return `${record.name} ${record.type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
}

const SOA = `cluster.local SOA {"mname":"ns.dns.cluster.local","rname":"hostmaster.cluster.local","serial":7,"refresh":7200,"retry":1800,"expire":86400,"minimum":30}`;

describe('answers, as another implementation reads them', () => {
  test.for<[name: string, type: string, expected: string]>([
    ['web.ns.svc.cluster.local', 'A', 'NOERROR | web A 10.0.0.0, web A 10.0.0.1 |  |'],
    ['v6.ns.svc.cluster.local', 'AAAA', 'NOERROR | v6 AAAA fd00::1 |  |'],
    ['alias.ns.svc.cluster.local', 'A', 'NOERROR | alias CNAME db.example.com |  |'],
    ['1.0.0.10.in-addr.arpa', 'PTR', 'NOERROR | 1.0.0.10.in-addr.arpa PTR web |  |'],
    [
      '_http._tcp.web.ns.svc.cluster.local',
      'SRV',
      'NOERROR | _http._tcp.web SRV {"priority":0,"weight":50,"port":80,"target":"web"} |  | web A 10.0.0.0, web A 10.0.0.1',
    ],
    ['cluster.local', 'NS', 'NOERROR | cluster.local NS ns.dns.cluster.local |  | ns.dns.cluster.local A 10.96.0.10'],
    ['cluster.local', 'SOA', `NOERROR | ${SOA} |  |`],
    ['nosuch.ns.svc.cluster.local', 'A', `NXDOMAIN |  | ${SOA} |`],
    ['web.ns.svc.cluster.local', 'MX', `NOERROR |  | ${SOA} |`],
    ['example.com', 'A', 'REFUSED |  |  |'],
    ['.', 'NS', 'REFUSED |  |  |'],
  ])('%s %s', ([name, type, expected]) => {
    expect(summary(ask(question(name, type)))).toBe(expected.trimEnd());
  });

  test('text keeps its octets', () => {
    const [message] = ask(question('text.ns.svc.cluster.local', 'TXT'));
    expect(message?.answers?.[0]).toMatchObject({ data: [Buffer.from('a"b'), Buffer.from('é')] });
  });

  test('the case of the question is kept in the question and in what answers it, and nowhere else', () => {
    const [srv] = ask(question('_HTTP._tcp.Web.NS.svc.cluster.LOCAL', 'SRV'));
    expect(srv?.questions?.[0]?.name).toBe('_HTTP._tcp.Web.NS.svc.cluster.LOCAL');
    expect(srv?.answers?.[0]?.name).toBe('_HTTP._tcp.Web.NS.svc.cluster.LOCAL');
    expect(srv?.additionals?.map(({ name }) => name)).toEqual(Array(2).fill('web.ns.svc.cluster.local'));
    const [self] = ask(question('SELF.ns.svc.cluster.local', 'SRV'));
    expect(self?.answers?.[0]).toMatchObject({
      name: 'SELF.ns.svc.cluster.local',
      data: { target: 'self.ns.svc.cluster.local' },
    });
    expect(self?.additionals?.[0]?.name).toBe('self.ns.svc.cluster.local');
    const [absent] = ask(question('No.Such.cluster.LOCAL', 'A'));
    expect(absent?.authorities?.[0]?.name).toBe('cluster.local');
  });

  test('flags: authoritative where it knows, recursion desired as asked, never available', () => {
    const known = { flag_aa: true, flag_rd: true, flag_ra: false, flag_tc: false, id: 4711, type: 'response' };
    expect(ask(question('web.ns.svc.cluster.local', 'A'))[0]).toMatchObject(known);
    expect(ask(question('nosuch.cluster.local', 'A'))[0]).toMatchObject(known);
    expect(ask(question('example.com', 'A', { flags: 0 }))[0]).toMatchObject({ flag_aa: false, flag_rd: false });
  });
});

describe('sizes', () => {
  const many = 'many.ns.svc.cluster.local';
  test.for<{ name: string; packet: Buffer; protocol: 'udp' | 'tcp'; maxBytes: number; answers: [number, number] }>([
    { name: 'UDP without EDNS: 512', packet: question(many, 'A'), protocol: 'udp', maxBytes: 512, answers: [25, 40] },
    {
      name: 'less than 512 counts as 512',
      packet: question(many, 'A', withEdns(100)),
      protocol: 'udp',
      maxBytes: 512,
      answers: [25, 40],
    },
    {
      name: 'EDNS: as offered',
      packet: question(many, 'A', withEdns(900)),
      protocol: 'udp',
      maxBytes: 900,
      answers: [50, 60],
    },
    {
      name: 'EDNS: not above our own limit',
      packet: question(many, 'A', withEdns(4096)),
      protocol: 'udp',
      maxBytes: 1232,
      answers: [70, 80],
    },
    { name: 'TCP: all', packet: question(many, 'A'), protocol: 'tcp', maxBytes: 65_535, answers: [200, 200] },
    {
      name: 'TCP: 65,535',
      packet: question('huge.ns.svc.cluster.local', 'A'),
      protocol: 'tcp',
      maxBytes: 65_535,
      answers: [4000, 4999],
    },
  ])('$name', ({ packet, protocol, maxBytes, answers: [least, most] }) => {
    const [bytes] = [...respondNow(responder, { packet, protocol, peer: '127.0.0.1' })];
    expect(bytes?.length).toBeLessThanOrEqual(maxBytes);
    const message = dnsPacket.decode(Buffer.from(bytes ?? []));
    expect(message.answers?.length).toBeGreaterThanOrEqual(least);
    expect(message.answers?.length).toBeLessThanOrEqual(most);
    expect(message).toMatchObject({ flag_tc: most !== 200 });
  });

  test('additional records that do not fit are left out without a word', () => {
    const records: DnsRecord[] = [
      ...addresses('many.cluster.local.', 200),
      {
        name: 'srv.cluster.local.',
        ttlSeconds: 30,
        type: 'SRV',
        priority: 0,
        weight: 1,
        port: 1,
        target: 'many.cluster.local.',
      },
    ];
    const [message] = ask(question('srv.cluster.local', 'SRV'), {}, aResponder(records));
    expect(message).toMatchObject({ flag_tc: false, additionals: [] });
    expect(message?.answers).toHaveLength(1);
  });
});

describe('EDNS', () => {
  test('is answered with our own limit', () => {
    expect(summary(ask(question('v6.ns.svc.cluster.local', 'AAAA', withEdns(4096))))).toBe(
      'NOERROR | v6 AAAA fd00::1 |  | OPT 1232',
    );
  });

  test('of a version to come is refused with BADVERS', () => {
    const packet = question('v6.ns.svc.cluster.local', 'AAAA', withEdns(4096));
    packet[packet.length - 5] = 1;
    const [message] = ask(packet);
    expect(message?.answers).toEqual([]);
    expect(message?.additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1, ednsVersion: 0 });
  });
});

describe('what is not answered as asked', () => {
  test('another class is refused', () => {
    const chaos = question('version.bind', 'TXT', { questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }] });
    expect(summary(ask(chaos))).toBe('REFUSED |  |  |'.trimEnd());
  });

  test('a message that cannot be read is a format error without a question', () => {
    expect(summary(ask(question('web.ns.svc.cluster.local', 'A').subarray(0, 20)))).toBe('FORMERR |  |  |');
  });

  test('a response is never answered', () => {
    const response = question('web.ns.svc.cluster.local', 'A', { type: 'response' });
    expect(ask(response)).toEqual([]);
  });

  test('before a cluster is known everything is SERVFAIL', () => {
    const index = new ZoneIndex({ ttlSeconds: 30 });
    expect(summary(ask(question('web.ns.svc.cluster.local', 'A'), {}, { ...responder, index }))).toBe(
      'SERVFAIL |  |  |',
    );
  });

  test('a fault inside is one SERVFAIL', () => {
    const index = new ZoneIndex({ ttlSeconds: 30 });
    Object.defineProperty(index, 'hasZones', {
      get: () => {
        throw new Error('broken');
      },
    });
    expect(summary(ask(question('web.ns.svc.cluster.local', 'A'), {}, { ...responder, index }))).toBe(
      'SERVFAIL |  |  |',
    );
  });
});

describe('zone transfers', () => {
  const axfr = question(DOMAIN, 'AXFR');

  test('hold every record between two SOA, in messages of bounded size', () => {
    const messages = [...respondNow(responder, { packet: axfr, protocol: 'tcp', peer: '127.0.0.1' })];
    expect(Math.max(...messages.map((message) => message.length))).toBeLessThanOrEqual(16_384);
    const answers = messages.flatMap((message) => dnsPacket.decode(Buffer.from(message)).answers ?? []);
    const types = answers.map((answer) => answer.type);
    expect([types[0], types.at(-1)]).toEqual(['SOA', 'SOA']);
    // The zone's records, less the one of the reverse zone; with NS, name server, version, and SOA twice.
    expect(answers).toHaveLength(records.length - 1 + 5);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(answers.length - 1);
  });

  test.for<{ name: string; type: string; from: Partial<Incoming>; expected: string }>([
    { name: 'not over UDP', type: 'AXFR', from: {}, expected: 'REFUSED |  |  |' },
    {
      name: 'not to strangers',
      type: 'AXFR',
      from: { protocol: 'tcp', peer: '192.0.2.1' },
      expected: 'REFUSED |  |  |',
    },
    {
      name: 'not to strangers over IPv6',
      type: 'IXFR',
      from: { protocol: 'tcp', peer: '2001:db8::1' },
      expected: 'REFUSED |  |  |',
    },
    {
      name: 'not without the serial that is there',
      type: 'IXFR',
      from: { protocol: 'tcp' },
      expected: 'FORMERR |  |  |',
    },
  ])('$name', ({ type, from, expected }) => {
    expect(summary(ask(question(DOMAIN, type), from))).toBe(expected);
  });

  test.for([
    ['svc.cluster.local', 9],
    ['example.com', 9],
  ] as const)('%s is no zone of ours', ([name, code]) => {
    const [bytes] = [...respondNow(responder, { packet: question(name, 'AXFR'), protocol: 'tcp', peer: '::1' })];
    expect((bytes?.[3] ?? 0) & 0xf).toBe(code);
  });
});
