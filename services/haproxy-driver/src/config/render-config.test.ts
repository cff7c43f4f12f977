import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TargetGroup, type TargetGroupKey, targetGroupSchema } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slotCount } from '../runtime/plan-servers.ts';
import { compileProxies, type ListenerSettings } from './compile-proxies.ts';
import { compileProxy } from './compile-proxy.ts';
import type { LbProxy } from './proxy.ts';
import { proxyName } from './proxy-name.ts';
import { NOWHERE, readListeners, renderConfig, renderLayout, type Slot } from './render-config.ts';

const SETTINGS = {
  socketPath: '/run/lb/admin.sock',
  statePath: '/run/lb/servers.state',
  maxConnections: 1_000,
  timeoutsMs: { connect: 5_000, client: 60_000, server: 60_000 },
};
const DEFAULTS = { balance: 'roundrobin', checkIntervalMs: 2_000 } as const;
const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;

const aKey = (parts: Partial<TargetGroupKey> = {}): TargetGroupKey => ({
  cluster: 'eu',
  namespace: 'shop',
  name: 'web',
  loadBalancerClass: '',
  port: '80/TCP',
  ...parts,
});

const aTarget = (address: string, parts: object = {}) => ({
  type: 'pod',
  address,
  port: 8080,
  cluster: 'eu',
  weight: 1,
  state: 'active',
  reason: 'ready',
  sinceMs: 1,
  ...parts,
});

function aGroup(parts: object = {}): TargetGroup {
  return targetGroupSchema.parse({
    id: 'eu/shop/web:80/TCP',
    loadBalancerClass: '',
    portName: 'http',
    protocol: 'TCP',
    port: 80,
    addresses: ['127.0.0.1'],
    hostnames: [],
    sourceRanges: [],
    healthCheck: { type: 'tcp', port: 8080 },
    targets: [aTarget('10.0.0.1'), aTarget('10.0.0.2', { state: 'draining', reason: 'terminating' })],
    ...parts,
  });
}

function listening(parts: Partial<ListenerSettings> = {}): ListenerSettings {
  return { bind: 'any', portOffset: 0, localAddresses: new Set(), incumbents: new Map(), taken: new Map(), ...parts };
}

function compile(groups: readonly (readonly [TargetGroupKey, TargetGroup])[], settings = listening()) {
  const wanted = groups.map(([key, group]) => ({
    name: proxyName(key),
    group,
    compiled: compileProxy(key, group, DEFAULTS),
  }));
  return compileProxies(wanted, settings);
}

function slotsOf(proxy: LbProxy): Slot[] {
  return Array.from({ length: slotCount(proxy.servers.length) }, (_, i) => {
    const server = proxy.servers[i];
    if (server === undefined) return { name: `s${i + 1}`, ...NOWHERE, checkPort: 1, weight: 1, isDisabled: true };
    return { name: `s${i + 1}`, ...server, isDisabled: server.admin !== 'ready' };
  });
}

function textOf(groups: readonly (readonly [TargetGroupKey, TargetGroup])[], settings = SETTINGS): string {
  return renderConfig(compile(groups).proxies.values(), settings, slotsOf).text;
}

/** What the real program says of a text; empty: nothing. */
function complaints(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-cfg-'));
  try {
    writeFileSync(join(folder, 'cfg'), text.replaceAll('/run/lb/', `${folder}/`));
    writeFileSync(join(folder, 'servers.state'), '');
    const { status, stderr } = spawnSync('haproxy', ['-c', '-q', '-f', join(folder, 'cfg')], { encoding: 'utf8' });
    return status === 0 ? '' : stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CASES: readonly { name: string; parts: object }[] = [
  { name: 'tcp', parts: {} },
  { name: 'http', parts: { appProtocol: 'http', healthCheck: { type: 'http', port: 9000, path: '/healthz?a=b' } } },
  {
    name: 'everything',
    parts: {
      appProtocol: 'https',
      proxyProtocol: 'v2',
      sessionAffinitySeconds: 600,
      sourceRanges: ['192.0.2.0/24', 'fd00::/8'],
      addresses: ['127.0.0.1', '::1'],
      healthCheck: {
        type: 'https',
        port: 9000,
        path: '/',
        intervalMs: 5000,
        timeoutMs: 1000,
        healthyThreshold: 3,
        unhealthyThreshold: 5,
      },
      targets: [
        aTarget('10.0.0.1', { weight: 1000 }),
        aTarget('fd00::1', { weight: 10 }),
        aTarget('10.0.0.3', { weight: 0 }),
      ],
    },
  },
];

describe('text', () => {
  test.for(CASES)('of $name is as it was, and HAProxy takes it', async ({ name, parts }) => {
    const text = textOf([[aKey(), aGroup(parts)]]);
    await expect(text).toMatchFileSnapshot(`__snapshots__/${name}.cfg`);
    if (hasHaproxy) expect(complaints(text)).toBe('');
  });

  test('tells who listens where', () => {
    const text = textOf([[aKey(), aGroup({ addresses: ['127.0.0.1', '::1'] })]]);
    expect([...readListeners(text)]).toEqual([
      ['127.0.0.1:80', 'eu:shop:web:80:TCP'],
      ['[::1]:80', 'eu:shop:web:80:TCP'],
    ]);
  });

  test('a layout does not depend on targets', () => {
    const hash = (parts: object): string =>
      renderLayout(compile([[aKey(), aGroup(parts)]]).proxies.values(), SETTINGS).layoutHash;
    expect(hash({ targets: [] })).toBe(hash({}));
    expect(hash({ addresses: ['127.0.0.2'] })).not.toBe(hash({}));
    expect(hash({ healthCheck: { type: 'http', port: 1, path: '/' } })).not.toBe(hash({}));
  });

  test('many source ranges are many lines', () => {
    const sourceRanges = Array.from({ length: 200 }, (_, i) => `10.${i}.0.0/16`);
    const text = textOf([[aKey(), aGroup({ sourceRanges })]]);
    if (hasHaproxy) expect(complaints(text)).toBe('');
    expect(text.match(/acl is_allowed/g)).toHaveLength(7);
  });
});

describe('what objects say never gets out of its place', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      "'\n  stats enable",
      '"; reload',
      '#',
      '\\',
      '$HOME',
      'a b',
      '%[env(HOME)]',
      '127.0.0.1 check\nbind',
      '',
    ),
  );

  test('whatever the strings, the text has the lines that it is to have, and HAProxy takes it', () => {
    let checked = 0;
    fc.assert(
      fc.property(fc.record({ cluster: nasty, text: nasty, address: nasty, path: nasty, range: nasty }), (bad) => {
        const key = aKey({ cluster: bad.cluster, name: bad.text, namespace: bad.path });
        const parts = {
          appProtocol: bad.text,
          hostnames: [bad.text],
          portName: bad.text,
          sourceRanges: [bad.range, '10.0.0.0/8'],
          addresses: ['127.0.0.1', bad.address],
          healthCheck: { type: 'http', port: 8080, path: bad.path },
          targets: [aTarget(bad.address), aTarget('10.0.0.1', { node: bad.text, zone: bad.text, pod: bad.text })],
        };
        const text = textOf([[key, aGroup(parts)]]);
        expect(text).toMatch(/^[\x20-\x7e\n]*$/);
        const keywords = new Set(text.split('\n').map((line) => /^ *([a-z-]+)/.exec(line)?.[1] ?? ''));
        for (const keyword of keywords) expect(KEYWORDS).toContain(keyword);
        expect(text.match(/^ {2}server /gm)).toHaveLength(4);
        checked += 1;
        if (hasHaproxy && checked % 75 === 0) expect(complaints(text)).toBe('');
      }),
      { numRuns: 300 },
    );
  }, 30_000);

  test('different groups have different names', () => {
    fc.assert(
      fc.property(fc.tuple(nasty, nasty, nasty), fc.tuple(nasty, nasty, nasty), (a, b) => {
        const name = ([cluster, namespace, service]: readonly string[]): string =>
          proxyName(aKey({ cluster: cluster ?? '', namespace: namespace ?? '', name: service ?? '' }));
        const bytes = (texts: readonly string[]): string =>
          JSON.stringify(texts.map((text) => Buffer.from(text).toString('hex')));
        expect(name(a) === name(b)).toBe(bytes(a) === bytes(b));
      }),
    );
  });
});

describe('who gets a listener', () => {
  const first = [aKey({ name: 'a' }), aGroup()] as const;
  const second = [aKey({ name: 'b' }), aGroup()] as const;
  const owner = 'eu:shop:b:80:TCP';

  test('the first by name, and the other one is told', () => {
    const { proxies, notes } = compile([second, first]);
    expect([...proxies.keys()]).toEqual(['eu:shop:a:80:TCP']);
    expect(notes.get(owner)).toBe('127.0.0.1:80 belongs to eu:shop:a:80:TCP');
  });

  test('who has it keeps it', () => {
    const { proxies } = compile([first, second], listening({ incumbents: new Map([['127.0.0.1:80', owner]]) }));
    expect([...proxies.keys()]).toEqual([owner]);
  });

  test.for([
    {
      name: 'local: those that the machine has',
      bind: 'local',
      addresses: ['192.0.2.1', '192.0.2.2'],
      listeners: ['192.0.2.2'],
    },
    {
      name: 'any: all of them',
      bind: 'any',
      addresses: ['192.0.2.1', '192.0.2.2'],
      listeners: ['192.0.2.1', '192.0.2.2'],
    },
    { name: 'fixed: these', bind: ['127.0.0.1'], addresses: [], listeners: ['127.0.0.1'] },
  ] as const)('$name', ({ bind, addresses, listeners }) => {
    const settings = listening({ bind, localAddresses: new Set(['192.0.2.2']), portOffset: 8000 });
    const { proxies } = compile([[aKey(), aGroup({ addresses })]], settings);
    expect(proxies.get('eu:shop:web:80:TCP')?.listeners).toEqual(listeners.map((address) => ({ address, port: 8080 })));
  });

  test('without an address there is nothing to listen on', () => {
    const { proxies, notes } = compile([[aKey(), aGroup({ addresses: [] })]]);
    expect(proxies.size).toBe(0);
    expect([...notes.values()]).toEqual(['no address is allocated yet']);
  });
});

/** All that a configuration of ours begins lines with. */
const KEYWORDS = [
  '',
  'global',
  'description',
  'maxconn',
  'stats',
  'server-state-file',
  'hard-stop-after',
  'defaults',
  'mode',
  'load-server-state-from-file',
  'option',
  'retries',
  'timeout',
  'frontend',
  'bind',
  'acl',
  'tcp-request',
  'default',
  'backend',
  'balance',
  'hash-type',
  'http-check',
  'server',
];
