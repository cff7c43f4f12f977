/** Intents from a backup, offline: zones and names are those of the Signalbox that was backed up. */
import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { PodResolution, Resolution } from '@signalbox/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';
import { type RunningPlane, startPlaneOn } from './running-plane.ts';

/** A Service whose address only an intent knows. */
const POOLED = `
apiVersion: v1
kind: Service
metadata: { name: pooled, namespace: shop }
spec:
  type: LoadBalancer
  clusterIPs: [10.96.10.77]
  ports: [{ name: http, port: 80, nodePort: 30777 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pooled-1, namespace: shop, labels: { kubernetes.io/service-name: pooled } }
addressType: IPv4
endpoints: [{ addresses: [10.244.0.77], nodeName: node-a }]
ports: [{ name: http, port: 8080 }]
`;
const POLL = { timeout: 20_000, interval: 50 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let plane: RunningPlane;
let sources: string[];
let backup: string;
const at = (name: string): string => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  await cp(join(ROOT, 'examples/shop'), at('shop'), { recursive: true });
  await writeFile(at('shop/pooled.yaml'), POOLED);
  plane = await startPlaneOn(at('data'), { manifests: at('shop') });
  await plane.put('/v1/intents/dns-zones/example.com', { ttlSeconds: 300 });
  await plane.put('/v1/intents/dns-records/www', { name: 'www.example.com', type: 'A', values: ['192.0.2.1'] });
  await plane.put('/v1/intents/dns-records/any', { name: '*.apps.example.com', type: 'TXT', values: ['anything'] });
  for (const [name, service] of Object.entries({ shop: 'storefront-public', pooled: 'pooled' })) {
    const spec = { name: `${name}.example.com`, service: { namespace: 'shop', name: service } };
    await plane.put(`/v1/intents/dns-aliases/${name}`, spec);
  }
  await plane.put('/v1/intents/load-balancer-addresses/shop.pooled.shop', {
    service: { cluster: 'shop', namespace: 'shop', name: 'pooled' },
    ingress: [{ ip: '198.51.100.7' }],
    source: 'controller:test',
  });
  backup = at('intents.backup');
  const saved = await signalbox(['backup', '--to', backup, '--api', plane.api]);
  expect(saved).toMatchObject({ code: 0 });
  sources = ['--manifests', `shop=${at('shop')}`, '--intents', backup];
});

afterAll(async () => {
  await plane?.stop();
  await folder?.remove();
});

/** The number of a revision is the log's; a backup has none. */
function withoutSerial(zoneFile: string): string {
  return zoneFile.replace(/serial \d+/, 'serial').replace(/(SOA\t\S+ \S+) \d+/, '$1');
}

test('a zone of intents is the one that the running Signalbox has', async () => {
  const online = async () => {
    const response = await fetch(`${plane.api}/v1/zones/example.com`, { headers: { accept: 'text/dns' } });
    return await response.text();
  };
  await expect.poll(online, POLL).toContain('198.51.100.7');
  const { code, stdout, stderr } = await signalbox(['render', 'zone', ...sources, '--zone', 'example.com']);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^shop\.example\.com\.\t300\tIN\tA\t203\.0\.113\.80$/m);
  expect(withoutSerial(stdout)).toBe(withoutSerial(await online()));
});

test.for([
  { what: 'records', name: 'www.example.com', type: 'A' },
  { what: 'a wildcard', name: 'x.apps.example.com', type: 'TXT' },
  { what: 'an alias', name: 'shop.example.com', type: 'AAAA' },
  { what: 'an alias of a Service whose address is an intent', name: 'pooled.example.com', type: 'A' },
  { what: 'a name that nobody asked for', name: 'none.example.com', type: 'A' },
  { what: 'a Service', name: 'storefront', type: 'A' },
])('$what: a pod resolves the same', async ({ name, type }) => {
  const args = ['resolve', name, '--type', type, '--namespace', 'shop', '--output', 'json'];
  const { stdout } = await signalbox([...args, ...sources]);
  const path = `/v1/clusters/shop/namespaces/shop/resolve?name=${name}&type=${type}`;
  expect(stepsIn(JSON.parse(stdout) as Resolution)).toEqual(stepsIn(await plane.get<PodResolution>(path)));
});

test('rules have an address that an intent gives', async () => {
  const rules = ['render', 'rules', '--node', 'node-a', '--manifests', `shop=${at('shop')}`];
  expect((await signalbox(rules)).stdout).not.toContain('198.51.100.7');
  expect((await signalbox([...rules, '--intents', backup])).stdout).toContain('198.51.100.7');
});

test('a name that follows Services of several clusters has the addresses of all', async () => {
  await cp(at('shop'), at('copy'), { recursive: true });
  const file = at('copy/storefront.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('203.0.113.80', '203.0.113.81'));
  const both = [...sources, '--manifests', `copy=${at('copy')}`];
  const { stdout } = await signalbox(['render', 'zone', ...both, '--zone', 'example.com.']);
  expect(stdout).toContain('203.0.113.80\n');
  expect(stdout).toContain('203.0.113.81\n');
  const unclear = await signalbox(['render', 'zone', ...both]);
  expect(unclear).toMatchObject({ code: 2, stderr: expect.stringContaining('--cluster') });
  const ofOne = await signalbox(['render', 'zone', ...both, '--cluster', 'copy']);
  expect(ofOne.stdout).toMatch(/^; zone copy\.cluster\.local\. /);
});

test('examples of help run as they are written', async () => {
  for (const command of [['resolve'], ['render', 'zone'], ['render', 'rules']]) {
    const { stdout } = await signalbox([...command, '--help']);
    const [, example = ''] = /^ {2}signalbox (.*intents\.backup)$/m.exec(stdout) ?? [];
    expect(example).toContain(command.join(' '));
    const args = example.replace('intents.backup', backup).split(' ');
    expect([example, (await signalbox(args)).code]).toEqual([example, 0]);
  }
});

describe('what is wrong with intents is told by file and name', () => {
  test('an intent that is not right is left out; --strict fails', async () => {
    const file = at('wrong.backup');
    await writeFile(
      file,
      archiveOf([
        { path: 'dns-zones', name: 'example.com', spec: {} },
        { path: 'dns-zones', name: 'own.cluster.local', spec: {} },
        { path: 'dns-records', name: 'typo', spec: { name: 'a.example.com', type: 'AA', values: ['192.0.2.1'] } },
        { path: 'dns-records', name: 'value', spec: { name: 'b.example.com', type: 'A', values: ['192.0.2.999'] } },
        { path: 'dns-records', name: 'lost', spec: { name: 'a.example.org', type: 'A', values: ['192.0.2.1'] } },
        { path: 'dns-records', name: 'good', spec: { name: 'c.example.com', type: 'A', values: ['192.0.2.3'] } },
        { path: 'dns-views', name: 'new', spec: {} },
      ]),
    );
    const args = ['render', 'zone', '--manifests', `shop=${at('shop')}`, '--intents', file, '--zone', 'example.com'];
    const { code, stdout, stderr } = await signalbox(args);
    expect([code, stdout]).toEqual([0, expect.stringContaining('192.0.2.3')]);
    for (const reason of [
      'dns-zones/own.cluster.local: it lies in the names of a cluster',
      'dns-records/typo: spec.type: ',
      'dns-records/value: spec.values[0]: ',
      'dns-records/lost: spec.name: no DnsZone holds a.example.org.',
      'dns-views/new: unknown kind',
    ]) {
      expect(stderr).toContain(`left out: ${file}: ${reason}`);
    }
    expect(stderr.trim().split('\n')).toHaveLength(5);
    expect(await signalbox([...args, '--strict'])).toMatchObject({ code: 1, stdout: '' });
  });

  test.for([
    { name: 'a file that is not there', make: undefined, says: 'ENOENT' },
    { name: 'something else', make: () => Buffer.from('zones'), says: 'cannot read the backup' },
    { name: 'intents of another shape', make: () => archiveOf([{ zone: 'example.com' }]), says: 'cannot be read' },
    { name: 'a data folder', make: () => archiveOf([], 'data'), says: 'holds a data folder, not intents' },
  ])('$name is refused', async ({ name, make, says }) => {
    const file = at(`${name}.backup`);
    if (make !== undefined) await writeFile(file, make());
    const { code, stderr } = await signalbox([
      'render',
      'zone',
      '--manifests',
      `shop=${at('shop')}`,
      '--intents',
      file,
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(file)]);
    expect(stderr).toContain(says);
  });

  test('intents without a cluster are refused: names follow Services', async () => {
    const refused = await signalbox(['resolve', 'www.example.com', '--namespace', 'shop', '--intents', backup]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--manifests NAME=PATH') });
  });
});

/** What was found, and from which objects; offline there are no revisions. */
function stepsIn({ isFound, steps }: Pick<Resolution, 'isFound' | 'steps'>) {
  const ofStep = ({ records, ...step }: (typeof steps)[number]) => {
    const withoutRevisions = records.map(({ record, origins }) => {
      return { record, origins: origins.map((origin) => origin && { ...origin, revision: null }) };
    });
    return { ...step, records: withoutRevisions };
  };
  return { isFound, steps: steps.map(ofStep) };
}

/** A backup as `signalbox backup` writes it, of what it would not have written. */
function archiveOf(intents: readonly unknown[], contents: 'intents' | 'data' = 'intents'): Buffer {
  const text = JSON.stringify(intents);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const files = [{ name: 'intents.json', bytes: Buffer.byteLength(text), sha256 }];
  const about = { format: 'signalbox-backup', version: 1, contents, signalbox: '0.1.0' };
  return gzipSync(`${JSON.stringify({ ...about, createdAt: '2026-11-21T00:00:00.000Z', files })}\n${text}`);
}
