/** Names outside of the zones, from real servers behind ours: also when they are slow, down, or have more than fits. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { type DigAnswer, dig } from './dig.ts';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';
import { freePort, type NameServer, startNameServer } from './name-server.ts';

// BIND takes no more than 100 of one name and type.
const MANY = Array.from({ length: 90 }, (_, at) => `many 60 IN A 10.9.0.${at}`).join('\n');
const ZONE = `$ORIGIN corp.example.
@ 60 IN SOA ns.corp.example. host.corp.example. 1 7200 1800 86400 7
@ 60 IN NS ns
ns 60 IN A 127.0.0.1
web 60 IN A 10.9.1.1
www 60 IN CNAME web
brief 1 IN A 10.9.1.2
${MANY}
`;

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type LabOptions = NonNullable<Parameters<typeof startDnsLab>[0]>;

async function aLab(forward: LabOptions['forward']): Promise<DnsLab> {
  const lab = await startDnsLab({ ...(forward && { forward }) });
  cleanups.push(() => lab[Symbol.asyncDispose]());
  await lab.log.appendAll('derived', [watermarkEntry(1, { shop: { domain: 'cluster.local' } })]);
  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  return lab;
}

async function anUpstream(kind: 'knotd' | 'nsd' | 'named', port?: number): Promise<NameServer> {
  const server = await startNameServer(kind, 'corp.example', ZONE, port);
  cleanups.push(() => server.stop());
  return server;
}

async function ask({ port }: DnsLab, name: string, options: string[] = []): Promise<DigAnswer> {
  const [answer] = await dig(port, [{ name, type: 'A' }], options);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

async function metric({ registry }: DnsLab, line: string): Promise<number> {
  const text = await registry.metrics();
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(`${line} `))
      ?.split(' ')
      .at(-1) ?? 0,
  );
}

for (const kind of ['knotd', 'nsd', 'named'] as const) {
  programTest(kind, 'is asked for its domain, over TCP for what is long, and its answers are kept', async () => {
    const upstream = await anUpstream(kind);
    const lab = await aLab({ stubs: { 'corp.example': [`127.0.0.1:${upstream.port}`] }, mixesCase: true });
    const web = await ask(lab, 'WEB.corp.example');
    expect(web).toMatchObject({ status: 'NOERROR', flags: 'qr rd ra' });
    // Whose spelling the owner has is the upstream's choice.
    expect(web.answer.map((line) => line.toLowerCase())).toEqual(['web.corp.example. 60 in a 10.9.1.1']);
    expect((await ask(lab, 'www.corp.example')).answer).toEqual([
      'web.corp.example. 60 IN A 10.9.1.1',
      'www.corp.example. 60 IN CNAME web.corp.example.',
    ]);
    expect((await ask(lab, 'many.corp.example', ['+tcp'])).answer).toHaveLength(90);
    expect(await ask(lab, 'many.corp.example', ['+ignore'])).toMatchObject({ flags: 'qr tc rd ra', answer: [] });
    const absent = await ask(lab, 'nosuch.corp.example');
    expect(absent).toMatchObject({ status: 'NXDOMAIN', answer: [] });
    expect(absent.authority[0]).toMatch(/^corp\.example\. 7 IN SOA/);
    await upstream.stop();
    // Whatever was asked is in memory, negative answers too.
    const again = await ask(lab, 'web.corp.example');
    expect(again.answer[0]).toMatch(/^web\.corp\.example\. (60|5\d) IN A 10\.9\.1\.1$/);
    expect((await ask(lab, 'nosuch.corp.example')).status).toBe('NXDOMAIN');
    expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="hit"}')).toBeGreaterThanOrEqual(3);
    // The domain is a stub's, others are nobody's.
    expect((await ask(lab, 'example.com')).status).toBe('REFUSED');
  });
}

programTest('knotd', 'is asked for addresses that no cluster has, but not for those that one has', async () => {
  const names = `$ORIGIN 10.in-addr.arpa.
@ 60 IN SOA ns.corp.example. host.corp.example. 1 7200 1800 86400 7
@ 60 IN NS ns.corp.example.
7.0.0 60 IN PTR printer.corp.example.
1.0.96 60 IN PTR wrong.corp.example.
`;
  const upstream = await startNameServer('knotd', '10.in-addr.arpa', names);
  cleanups.push(() => upstream.stop());
  const lab = await aLab({ upstreams: [`127.0.0.1:${upstream.port}`], timeoutMs: 500 });
  const web = {
    name: '1.0.96.10.in-addr.arpa.',
    ttlSeconds: 30,
    type: 'PTR',
    target: 'web.shop.svc.cluster.local.',
  } as const;
  const recordSet = { cluster: 'shop', namespace: 'shop', name: 'web', records: [web] };
  await lab.log.appendAll('derived', [
    documentEntry(recordSet, 2),
    watermarkEntry(2, { shop: { domain: 'cluster.local' } }),
  ]);
  const pointer = async (name: string, options: string[] = []) => {
    const [answer] = await dig(lab.port, [{ name: `${name}.in-addr.arpa`, type: 'PTR' }], options);
    return (
      answer && {
        status: answer.status,
        flags: answer.flags,
        data: answer.answer.map((line) => line.split(' ').at(-1)),
      }
    );
  };
  const ours = { status: 'NOERROR', flags: 'qr aa rd', data: ['web.shop.svc.cluster.local.'] };
  await waitFor(async () => (await pointer('1.0.96.10'))?.status === 'NOERROR', 'the record');
  expect(await pointer('1.0.96.10')).toEqual(ours);
  // Twice: the second time the denial is in memory.
  for (let left = 2; left > 0; left -= 1) {
    expect(await pointer('7.0.0.10')).toEqual({
      status: 'NOERROR',
      flags: 'qr rd ra',
      data: ['printer.corp.example.'],
    });
    expect(await pointer('8.0.0.10')).toEqual({ status: 'NXDOMAIN', flags: 'qr rd ra', data: [] });
    expect(await pointer('7.0.0.10', ['+norecurse'])).toEqual({ status: 'NXDOMAIN', flags: 'qr aa', data: [] });
  }
  await upstream.stop();
  expect(await pointer('9.0.0.10')).toMatchObject({ status: 'SERVFAIL' });
  expect(await pointer('1.0.96.10')).toEqual(ours);
});

describe('an upstream that is down', () => {
  programTest('knotd', 'is gone around, told, and found again', async () => {
    const upstream = await anUpstream('knotd');
    const deadPort = await freePort();
    const lab = await aLab({
      upstreams: [`127.0.0.1:${deadPort}`, `127.0.0.1:${upstream.port}`],
      timeoutMs: 500,
      probeMs: 50,
    });
    const isDeadUp = () => metric(lab, `signalbox_dns_upstream_up{upstream="127.0.0.1 ${deadPort}"}`);
    // Upstreams are chosen at random: other names until the dead one was chosen twice.
    for (let at = 0; at < 200 && (await isDeadUp()) === 1; at += 1) {
      expect((await ask(lab, `x${at}.corp.example`)).status).toBe('NXDOMAIN');
    }
    expect(await isDeadUp()).toBe(0);
    expect((await ask(lab, 'web.corp.example')).answer).toHaveLength(1);
    await anUpstream('knotd', deadPort);
    await waitFor(async () => (await isDeadUp()) === 1, 'the upstream to be found again');
  });

  test('alone: SERVFAIL, in time', async () => {
    const lab = await aLab({ upstreams: [`127.0.0.1:${await freePort()}`], timeoutMs: 200 });
    expect((await ask(lab, 'web.corp.example')).status).toBe('SERVFAIL');
  });

  test('that never answers: SERVFAIL, and no more under way than allowed', async () => {
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    cleanups.push(async () => void silent.close());
    const upstreams = [`127.0.0.1:${silent.address().port}`];
    const lab = await aLab({ upstreams, timeoutMs: 300, maxInFlight: 2 });
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => ask(lab, `${name}.example`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(4).fill('SERVFAIL'));
    expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="failure"}')).toBe(2);
    expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="overload"}')).toBe(2);
  });
});

test('an answer with another id, name or spelling is not taken', async () => {
  const liar = createSocket('udp4');
  liar.on('message', (query, peer) => {
    const changed = (at: number, bits: number) => Buffer.from(query).fill((query[at] ?? 0) ^ bits, at, at + 1);
    for (const forged of [changed(0, 1), changed(13, 0x20), changed(13, 1), Buffer.from(query.subarray(0, 20))]) {
      forged[2] = 0x81;
      liar.send(forged, peer.port, peer.address);
    }
  });
  liar.bind(0, '127.0.0.1');
  await once(liar, 'listening');
  cleanups.push(async () => void liar.close());
  const lab = await aLab({ upstreams: [`127.0.0.1:${liar.address().port}`], timeoutMs: 200, mixesCase: true });
  expect((await ask(lab, 'web.example')).status).toBe('SERVFAIL');
});

test('only those that may are served, and without recursion nobody', async () => {
  const upstreams = [`127.0.0.1:${await freePort()}`];
  const lab = await aLab({ upstreams, clients: ['10.0.0.0/8'] });
  expect((await ask(lab, 'web.corp.example')).status).toBe('REFUSED');
  const other = await aLab({ upstreams, timeoutMs: 200 });
  expect((await ask(other, 'web.corp.example', ['+norecurse'])).status).toBe('REFUSED');
});

programTest('knotd', 'is asked again for what is popular before it expires, and for nothing else', async () => {
  const upstream = await anUpstream('knotd');
  const lab = await aLab({ upstreams: [`127.0.0.1:${upstream.port}`], maxTtlSeconds: 2 });
  expect((await ask(lab, 'web.corp.example')).answer).toEqual(['web.corp.example. 2 IN A 10.9.1.1']);
  // Asked all the time: after the first nobody ever waits for the upstream, though the time passes several times. Unless the
  // machine is so busy that no question falls into the last tenth of that time.
  let slow = 0;
  const until = performance.now() + 5000;
  for (let askedMs = performance.now(); askedMs < until; ) {
    expect((await ask(lab, 'web.corp.example')).answer).toHaveLength(1);
    const nowMs = performance.now();
    if (nowMs - askedMs > 100) slow += 1;
    askedMs = nowMs;
  }
  expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="miss"}')).toBeLessThanOrEqual(1 + slow);
});

describe('an alias that leads out of the zones', () => {
  const ALIAS = 'shop-front.shop.svc.cluster.local';
  const CNAME = (target: string) => `${ALIAS}. 30 IN CNAME ${target}.`;

  async function alias(lab: DnsLab, target: string): Promise<void> {
    const name = `${ALIAS}.`;
    const records = [{ type: 'CNAME' as const, name, ttlSeconds: 30, target: `${target}.` }];
    await lab.log.appendAll('derived', [
      documentEntry({ cluster: 'shop', namespace: 'shop', name: 'shop-front', records }, 2),
      watermarkEntry(2, { shop: { domain: 'cluster.local' } }),
    ]);
    await waitFor(async () => (await ask(lab, ALIAS, ['+norecurse'])).answer.length > 0, 'the alias to be served');
  }

  for (const kind of ['knotd', 'nsd'] as const) {
    programTest(kind, 'is answered with what the upstream says of where it leads', async () => {
      const upstream = await anUpstream(kind);
      const lab = await aLab({ upstreams: [`127.0.0.1:${upstream.port}`] });
      await alias(lab, 'www.corp.example');
      const expected = [
        CNAME('www.corp.example'),
        'web.corp.example. 60 IN A 10.9.1.1',
        'www.corp.example. 60 IN CNAME web.corp.example.',
      ].sort();
      for (const transport of [[], ['+tcp'], ['+noedns'], ['+dnssec']]) {
        const answer = await ask(lab, ALIAS, transport);
        expect({ ...answer, answer: [...answer.answer].sort() }).toMatchObject({ status: 'NOERROR', answer: expected });
        expect(answer.flags).toBe('qr aa rd ra');
      }
      // Whoever does not ask for it gets the alias alone.
      const alone = await ask(lab, ALIAS, ['+norecurse']);
      expect(alone).toMatchObject({ status: 'NOERROR', flags: 'qr aa', answer: [CNAME('www.corp.example')] });
    });
  }

  programTest('knotd', 'to many addresses comes whole over TCP, and truncated over UDP', async () => {
    const upstream = await anUpstream('knotd');
    const lab = await aLab({ upstreams: [`127.0.0.1:${upstream.port}`] });
    await alias(lab, 'many.corp.example');
    expect((await ask(lab, ALIAS, ['+tcp'])).answer).toHaveLength(91);
    const cut = await ask(lab, ALIAS, ['+ignore']);
    expect(cut.flags).toBe('qr aa tc rd ra');
    expect(cut.answer.length).toBeLessThan(91);
  });

  programTest('knotd', 'to no name has the code and the SOA of where it leads', async () => {
    const upstream = await anUpstream('knotd');
    const lab = await aLab({ upstreams: [`127.0.0.1:${upstream.port}`] });
    await alias(lab, 'nosuch.corp.example');
    const absent = await ask(lab, ALIAS);
    expect(absent).toMatchObject({ status: 'NXDOMAIN', answer: [CNAME('nosuch.corp.example')] });
    expect(absent.authority[0]).toMatch(/^corp\.example\. 7 IN SOA/);
  });

  test('stands alone while no upstream answers', async () => {
    const lab = await aLab({ upstreams: [`127.0.0.1:${await freePort()}`], timeoutMs: 200 });
    await alias(lab, 'www.corp.example');
    expect(await ask(lab, ALIAS)).toMatchObject({ status: 'NOERROR', answer: [CNAME('www.corp.example')] });
    expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="failure"}')).toBe(1);
  });

  programTest('knotd', 'stands alone for clients that nothing is forwarded for, and outside of the stubs', async () => {
    const upstream = await anUpstream('knotd');
    const upstreams = [`127.0.0.1:${upstream.port}`];
    for (const forward of [{ upstreams, clients: ['10.0.0.0/8'] }, { stubs: { 'other.example': upstreams } }]) {
      const lab = await aLab(forward);
      await alias(lab, 'www.corp.example');
      for (const transport of [[], ['+tcp']]) {
        const answer = await ask(lab, ALIAS, transport);
        expect(answer).toMatchObject({ status: 'NOERROR', flags: 'qr aa rd', answer: [CNAME('www.corp.example')] });
      }
      expect(await metric(lab, 'signalbox_dns_forwarded_total{outcome="miss"}')).toBe(0);
    }
  });
});
