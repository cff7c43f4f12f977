/** Documents are true: their commands run, their flags, metrics and packages are those of the code. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_ACCESS, type ServiceAccess } from '@signalbox/event-log';
import { describe, expect, test } from 'vitest';
import { CLI, ROOT, signalbox, startProcess, temporaryFolder } from '../harness/signalbox.ts';

const HEADINGS = [
  'Name',
  'Description',
  'Configuration',
  'Subjects',
  'Metrics',
  'Readiness',
  'Failure modes',
  'Examples',
];
const SERVICES = readdirSync(join(ROOT, 'services'));

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const README = read('README.md');

/** What runs in a service and lies in the kit. */
function runtimeOf(service: string): string {
  if (service.endsWith('-worker'))
    return sourcesOf('packages/kit/src', (file) => !file.startsWith('lb-driver/') && file !== 'log-metrics.ts');
  const frame = sourcesOf('packages/kit/src', (file) => file === 'health-server.ts');
  return service.endsWith('-driver') ? frame + sourcesOf('packages/kit/src/lb-driver') : frame;
}

function sourcesOf(folder: string, isMeant = (_file: string) => true): string {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && isMeant(file))
    .map((file) => read(join(folder, file)))
    .join('\n');
}

const metricsIn = (text: string): string[] =>
  [...new Set(text.match(/\bsignalbox_[a-z_]+\b/g))].filter((name) => name !== 'signalbox_').sort();

describe.each(SERVICES)('README of %s', (service) => {
  const text = read(`services/${service}/README.md`);

  test('has the fixed headings', () => {
    expect(text.match(/^## .*/gm)?.map((line) => line.slice(3))).toEqual(HEADINGS);
  });

  test('lists the metrics of the code, and no others', () => {
    const code = runtimeOf(service) + sourcesOf(`services/${service}/src`);
    expect(metricsIn(text)).toEqual(metricsIn(code));
  });

  test('lists flags that the service has, and all of them', () => {
    const { stdout } = spawnSync(process.execPath, [join(ROOT, 'services', service, 'dist/main.js'), '--help'], {
      encoding: 'utf8',
    });
    const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    const flagsIn = (page: string) => [...page.matchAll(/^\| `(--[a-z-]+)/gm)].map((match) => match[1]);
    // Those of the event log are the same everywhere: told once.
    expect(text).toContain('docs/nats.md');
    const listed = [...flagsIn(text), ...flagsIn(read('docs/nats.md'))];
    expect(new Set(listed)).toEqual(new Set(flags.filter((flag) => flag !== '--help')));
  });
});

test('docs/nats.md lists the metrics of the event log, and no others', () => {
  const rows = read('docs/nats.md').match(/^\| `signalbox_.*/gm) ?? [];
  expect(metricsIn(rows.join('\n'))).toEqual(metricsIn(read('packages/kit/src/log-metrics.ts')));
});

describe('README', () => {
  test('names every Debian package and program that tests need', async () => {
    const { PROGRAMS } = (await import(join(ROOT, 'scripts/programs.mjs'))) as { PROGRAMS: Record<string, string> };
    for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
      expect(README).toMatch(new RegExp(`\\b${debianPackage}\\b`));
      expect(README).toMatch(new RegExp(`\\b${program}\\b`));
    }
  });

  test('of NATS shows who may do what, as the code has it', async () => {
    const page = read('docs/nats.md');
    const services: [string, ServiceAccess][] = Object.entries(SERVICE_ACCESS);
    for (const [service, { reads, appends, neverAppends = [], compacts }] of services) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${service}\` |`)) ?? '';
      for (const each of [...reads, ...appends, ...neverAppends, ...compacts])
        expect([service, row]).toEqual([service, expect.stringContaining(`\`${each}\``)]);
    }
    const { stdout } = await signalbox(['nats', 'permissions', 'dns-server']);
    expect(page).toContain(stdout);
  });

  test('links only to files that exist', () => {
    const links = [...README.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) expect(() => read(link), link).not.toThrow();
  });

  test('shows what the commands really print', async () => {
    const folder = await temporaryFolder();
    await cp(join(ROOT, 'examples/shop'), join(folder.path, 'shop'), { recursive: true });
    const sources = ['--manifests', `shop=${join(folder.path, 'shop')}`, '--data-dir', join(folder.path, 'data')];
    const up = startProcess([CLI, 'up', ...sources, '--api-listen', '127.0.0.1:0', '--dns-listen', '127.0.0.1:0']);
    try {
      const [, api = ''] = await up.waitFor(/ready, API (\S+),/);
      const { stdout } = await signalbox(['get', 'services', '--namespace', 'shop', '--api', api]);
      expect(README).toContain(`$ npx signalbox get services --namespace shop\n${stdout}`);
      for (const path of README.match(/(?<=curl http:\/\/127\.0\.0\.1:7070)\S+/g) ?? []) {
        expect([path, (await fetch(`${api}${path}`)).status]).toEqual([path, 200]);
      }
    } finally {
      await up.stop();
      await folder.remove();
    }
  });
});

describe('help', () => {
  test.for([
    [],
    ['up'],
    ['render'],
    ['render', 'rules'],
    ['render', 'zone'],
    ['render', 'env'],
    ['render', 'resolv-conf'],
    ['get'],
    ['node-agent'],
    ['haproxy-driver'],
    ['webhook-driver'],
    ['resolve'],
    ['dns'],
    ['dns', 'set'],
    ['backup'],
    ['restore'],
    ['targets'],
    ['lb'],
    ['lb', 'pause'],
    ['token'],
    ['status'],
    ['wait'],
    ['token', 'create'],
    ['nats', 'permissions'],
    ['nats', 'secrets'],
  ])('of signalbox %j has examples', async (command) => {
    const { code, stdout } = await signalbox([...command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Examples:/m);
  });

  test('never exceeds 120 columns', async () => {
    for (const command of [
      [],
      ['up'],
      ['render', 'rules'],
      ['get', 'services'],
      ['node-agent'],
      ['haproxy-driver'],
      ['webhook-driver'],
      ['render', 'resolv-conf'],
      ['resolve'],
      ['dns', 'set'],
      ['targets'],
      ['lb', 'pause'],
      ['wait'],
      ['token', 'create'],
      ['nats', 'secrets'],
    ]) {
      const { stdout } = await signalbox([...command, '--help']);
      expect(stdout.split('\n').filter((line) => line.length > 120)).toEqual([]);
    }
  });

  test.for(['zone', 'env', 'resolv-conf'])('examples of render %s run as they are written', async (what) => {
    const { stdout } = await signalbox(['render', what, '--help']);
    // Those with a backup are run where there is one: test/backup.
    const examples = [...stdout.matchAll(/^ {2}signalbox (render .*(?<!\.backup))$/gm)].map((match) => match[1] ?? '');
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) expect([example, (await signalbox(example.split(' '))).code]).toEqual([example, 0]);
  });
});
