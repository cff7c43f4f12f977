/** What pods see of the recorded cluster: as files, and against glibc's own resolver asking a real server. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compileResolvConf, compileServiceEnv, resolvConfText, resolveName, ZoneIndex } from '@signalbox/zones';
import { expect, test } from 'vitest';
import { CLI, ROOT, signalbox, startProcess, temporaryFolder } from '../harness/signalbox.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import { recordedRecordSets, recordedServices } from './recorded-cluster.ts';

const run = promisify(execFile);
const MANIFESTS = ['--manifests', 'shop=test/fixtures/kubernetes-1.36/lists'];

test('the environment of a pod is as before, and the command line prints it', async () => {
  const pod = { namespace: 'shop', enableServiceLinks: true };
  const { variables, skipped } = compileServiceEnv(recordedServices(), pod);
  expect(skipped).toEqual([]);
  const text = variables.map(({ name, value }) => `${name}=${value}\n`).join('');
  await expect(text).toMatchFileSnapshot('__snapshots__/shop.env');
  const { stdout } = await signalbox(['render', 'env', ...MANIFESTS, '--namespace', 'shop']);
  expect(stdout).toBe(text);
});

test('a shell takes the environment as it is printed', async () => {
  const { stdout } = await signalbox(['render', 'env', ...MANIFESTS, '--namespace', 'default']);
  const { stdout: seen } = await run('env', ['-i', ...stdout.trimEnd().split('\n'), 'env']);
  expect(seen).toBe(stdout);
});

test('what limits cut is said on standard error, and --strict makes it an error', async () => {
  const servers = ['1.1.1.1', '1.1.1.2', '1.1.1.3'].flatMap((ip) => ['--nameserver', ip]);
  const args = ['render', 'resolv-conf', '--namespace', 'shop', '--cluster-dns', '10.96.0.10', ...servers];
  const { code, stdout, stderr } = await signalbox(args);
  expect(code).toBe(0);
  expect(stdout).toBe(
    [
      'search shop.svc.cluster.local svc.cluster.local cluster.local',
      'nameserver 10.96.0.10',
      'nameserver 1.1.1.1',
      'nameserver 1.1.1.2',
      'options ndots:5\n',
    ].join('\n'),
  );
  expect(stderr).toBe('left out: nameserver 1.1.1.3: more than 3 nameservers\n');
  expect(await signalbox([...args, '--strict'])).toMatchObject({ code: 1, stdout: '' });
});

const NAMES = [
  'web',
  'WEB',
  'web.shop',
  'web.shop.svc',
  'web.shop.svc.cluster.local',
  'web.shop.svc.cluster.local.',
  'web.',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'headless',
  'mysql',
  'dual',
  'v6',
  'external',
  'empty',
  'svc',
  'shop.svc',
  'nosuch',
  'nosuch.shop',
  '_http._tcp.web',
  'ns.dns.cluster.local',
];

describeWithPrograms('glibc finds what resolve finds', ['unshare', 'nsenter', 'getent', 'ip'], () => {
  test('for every name, namespace and ndots', async () => {
    const folder = await temporaryFolder();
    const up = [CLI, 'up', ...MANIFESTS, '--data-dir', join(folder.path, 'data')];
    const listen = ['--dns-listen', '127.0.0.1:53', '--api-listen', '127.0.0.1:0'];
    // getent asks for IPv4 only where there is an address besides 127.0.0.1 (AI_ADDRCONFIG).
    const script = 'ip link set lo up && ip address add 192.0.2.1/32 dev lo && exec "$@"';
    const server = startProcess([
      '-e',
      SPAWN,
      'unshare',
      '-n',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      ...up,
      ...listen,
    ]);
    try {
      await server.waitFor(/ready, API/);
      const [, pid = ''] = await server.waitFor(/^pid (\d+)$/m);
      const index = new ZoneIndex({ ttlSeconds: 30 });
      for (const recordSet of recordedRecordSets()) index.upsert(recordSet);
      index.setClusters([{ name: 'shop', domain: 'cluster.local', isSynced: true }], 1);
      for (const namespace of ['shop', 'default']) {
        for (const ndots of [1, 2, 5]) {
          const { resolvConf } = compileResolvConf(
            { namespace, dnsPolicy: 'ClusterFirst', hostNetwork: false, dnsConfig: { options: [`ndots:${ndots}`] } },
            { clusterDomain: 'cluster.local', clusterDNS: ['127.0.0.1'], resolvConf: undefined },
          );
          const file = join(folder.path, 'resolv.conf');
          await writeFile(file, resolvConfText(resolvConf));
          const found = await getent(pid, file, NAMES);
          for (const name of NAMES) {
            const { steps } = resolveName(index, { name, type: 'A' }, resolvConf, () => undefined);
            const records = steps.at(-1)?.records.map(({ record }) => record) ?? [];
            const addresses = records.flatMap((record) => (record.type === 'A' ? [record.address] : []));
            const expected = [...new Set(addresses)].sort();
            expect({ namespace, ndots, name, addresses: found.get(name) }).toEqual({
              namespace,
              ndots,
              name,
              addresses: expected,
            });
          }
        }
      }
    } finally {
      await server.stop();
      await folder.remove();
    }
  });
});

/** Starts a command and tells its process id, which `unshare` and `exec` keep. */
const SPAWN = `
  const [program, ...args] = process.argv.slice(1);
  const child = require('node:child_process').spawn(program, args, { stdio: 'inherit', cwd: ${JSON.stringify(ROOT)} });
  console.log('pid ' + child.pid);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code) => process.exit(code ?? 1));
`;

/** IPv4 addresses by name, from inside the network of the process, with this resolv.conf. */
async function getent(pid: string, resolvConf: string, names: readonly string[]): Promise<Map<string, string[]>> {
  const script = `mount --bind "$1" /etc/resolv.conf; shift
    for name in "$@"; do echo "name $name"; getent ahostsv4 "$name"; done; true`;
  const args = ['-t', pid, '-n', 'unshare', '-m', 'sh', '-c', script, 'sh', resolvConf, ...names];
  const { stdout } = await run('nsenter', args);
  const found = new Map<string, string[]>();
  for (const block of stdout.split(/^name /m).slice(1)) {
    const [name = '', ...lines] = block.trimEnd().split('\n');
    found.set(name, [...new Set(lines.map((line) => line.split(/\s+/)[0] ?? ''))].sort());
  }
  return found;
}
