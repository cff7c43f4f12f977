/**
 * `npm run test:compose`: docker-compose.yml on a real Docker engine, as a user runs it: build, up, ask it everything, change
 * the example, down; then once more with `--profile cluster`. Starts an engine of its own where none answers (root on Debian).
 *
 * --folder DIR keeps engine state and images there for the next run; else all is removed. Its own Compose project and host
 * ports are those of docker-compose.yml, so nothing else may use them meanwhile.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installPrograms } from './programs.mjs';
import { ROOT, say } from './setup.mjs';
import { provideBaseImages } from './test-compose/base-images.mjs';
import { checkCluster, checkContainers, checkDemo, checkExample, checkNewRevision } from './test-compose/checks.mjs';
import { openEngine, removeFolder } from './test-compose/engine.mjs';

/** What is copied to a folder of its own, so that editing the example touches nothing of the user's. */
const PROJECT_FILES = [
  '.dockerignore',
  '.env',
  '.npmrc',
  'Dockerfile',
  'deploy',
  'docker-compose.yml',
  'examples',
  'migrations',
  'package-lock.json',
  'package.json',
  'packages',
  'scripts',
  'services',
  'test/package.json',
  'tsconfig.base.json',
  'tsconfig.json',
];
const PROJECT = 'signalbox-test';

const { values } = parseArgs({ options: { folder: { type: 'string' } } });
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'signalbox-compose-'));
const times = [];

installPrograms({ dig: 'bind9-dnsutils' });
const engine = await timed('engine', () => openEngine(folder));
const project = copyProject();
try {
  const standIns = await timed('base images', () => provideBaseImages(engine, baseImages(), folder));
  await timed('build', () => compose('single', ['build'], { isShown: true }));
  for (const profile of ['single', 'cluster']) await testProfile(profile);
  reportImages(standIns);
} finally {
  console.log(`\n${times.join('\n')}`);
  for (const profile of ['single', 'cluster']) compose(profile, ['down', '--volumes', '--remove-orphans']);
  await engine.close();
  rmSync(project, { recursive: true, force: true });
  if (values.folder === undefined) removeFolder(folder);
}

async function testProfile(profile) {
  const world = { engine, project, projectName: PROJECT, profile };
  await timed(`${profile}: up`, () => compose(profile, ['up', '-d', '--no-build'], { isShown: true }));
  try {
    await timed(`${profile}: healthy and ready`, () => checkContainers(world));
    await timed(`${profile}: API and DNS`, () => checkExample(world));
    await timed(`${profile}: HAProxy and backends`, () => checkDemo(world));
    await timed(`${profile}: edit of the example seen`, () => checkNewRevision(world));
    if (profile === 'cluster') await timed('cluster: a NATS server killed, edit seen', () => checkCluster(world));
  } catch (error) {
    say(compose(profile, ['logs', '--tail', '30']));
    throw error;
  }
  await timed(`${profile}: down`, () => compose(profile, ['down', '--volumes'], { isShown: true }));
}

function compose(profile, args, options) {
  return engine.compose(['--project-name', PROJECT, '--profile', profile, ...args], { cwd: project, ...options });
}

function copyProject() {
  const copy = mkdtempSync(join(tmpdir(), 'signalbox-compose-project-'));
  const filter = (source) => !/\/(node_modules|dist)$/.test(source);
  for (const name of PROJECT_FILES) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter });
  }
  return copy;
}

/** What our files are built from and run, without what only other profiles need. */
function baseImages() {
  const dockerfiles = ['Dockerfile', 'deploy/compose/nats.Dockerfile'].map((path) =>
    readFileSync(join(ROOT, path), 'utf8'),
  );
  const from = dockerfiles.flatMap((text) => [...text.matchAll(/^FROM (\S+:\S+)/gm)]).map((match) => match[1]);
  return [...new Set([...from, ...composeImages()])];
}

function composeImages() {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  return [...text.matchAll(/^ +image: (\S+:\S+)$/gm)].map((match) => match[1]).filter((image) => !/k3s/.test(image));
}

async function timed(what, work) {
  const startedAt = performance.now();
  const result = await work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  times.push(`${seconds.padStart(7)} s  ${what}`);
  say(`✓ ${what} (${seconds} s)`);
  return result;
}

function reportImages(standIns) {
  const images = ['signalbox', 'signalbox-nats', ...baseImages()];
  const format = '{{.Size}}  {{.Repository}}:{{.Tag}}';
  const sizes = images.map((image) => engine.run(['image', 'ls', '--format', format, image]).trim());
  console.log(`\n${sizes.join('\n')}`);
  if (standIns.length > 0) console.log(`\nStand-ins, because they could not be pulled: ${standIns.join(', ')}`);
}
