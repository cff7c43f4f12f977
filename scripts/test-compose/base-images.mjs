/**
 * The base images that our files name. What cannot be pulled is replaced by a stand-in of the same name, made of Debian
 * packages and of the Node that runs this script: enough to build and run everything where no registry can be reached.
 *
 * What this machine needs in order to reach package servers (a CA bundle, settings of npm) is handed on to the stand-ins
 * from the usual environment variables.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, say } from '../setup.mjs';
import { execute } from './engine.mjs';

const DEBIAN = 'signalbox-stand-in/debian';
const SUITE = 'bookworm';
const CA_FILE = '/etc/ssl/certs/ca-certificates.crt';
const APT = 'RUN apt-get update && apt-get install -y --no-install-recommends';

/** Makes every image available; returns the names of those that are stand-ins. */
export function provideBaseImages(engine, images, folder) {
  return images.filter((image) => {
    if (isPresent(engine, image)) return isStandIn(engine, image);
    if (canPull(engine, image)) return false;
    say(`${image} cannot be pulled: a stand-in is made of Debian packages …`);
    makeStandIn(engine, image, folder);
    return true;
  });
}

function isPresent(engine, image) {
  return engine.run(['image', 'ls', '--quiet', image]).trim() !== '';
}

function isStandIn(engine, image) {
  return engine.run(['image', 'inspect', '--format', '{{index .Config.Labels "stand-in"}}', image]).trim() === 'yes';
}

function canPull(engine, image) {
  try {
    engine.run(['pull', '--quiet', image], { timeout: 600_000 });
    return true;
  } catch {
    return false;
  }
}

function makeStandIn(engine, image, folder) {
  const recipe = Object.entries(RECIPES).find(([name]) => image.startsWith(`${name}:`))?.[1];
  if (recipe === undefined) throw new Error(`${image} cannot be pulled, and there is no stand-in for it`);
  if (!isPresent(engine, DEBIAN)) importDebian(engine, folder);
  const context = join(folder, 'stand-ins', image.replace(/\W/g, '-'));
  mkdirSync(context, { recursive: true });
  const lines = [`FROM ${DEBIAN}`, 'LABEL stand-in=yes', ...recipe(context)];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  engine.run(['build', '--quiet', '-t', image, context], { isShown: true });
}

/** The smallest Debian, with this machine's CA bundle. */
function importDebian(engine, folder) {
  const root = join(folder, 'debian');
  if (!existsSync(join(root, 'etc/debian_version'))) {
    execute(['debootstrap', '--variant=minbase', '--include=ca-certificates', SUITE, root]);
  }
  const bundle = process.env.SSL_CERT_FILE ?? process.env.NODE_EXTRA_CA_CERTS;
  if (bundle !== undefined) writeFileSync(join(root, CA_FILE), readFileSync(bundle));
  const parts = `tar -C '${root}' --exclude=./var/cache/apt/archives/*.deb --exclude=./var/lib/apt/lists/* -c .`;
  const environment = Object.entries(npmEnvironment()).flatMap(([name, value]) => ['--change', `ENV ${name}=${value}`]);
  const quoted = environment.map((text) => `'${text}'`).join(' ');
  engine.shell(`${parts} | docker import ${quoted} - ${DEBIAN}`);
}

function npmEnvironment() {
  const settings = Object.entries(process.env).filter(
    ([name]) => /^npm_config_(registry|https?_proxy|noproxy|strict_ssl)$/i.test(name) || /^https?_proxy$/i.test(name),
  );
  return { ...Object.fromEntries(settings), NODE_EXTRA_CA_CERTS: CA_FILE, npm_config_nodedir: '/usr/local' };
}

/** Image → lines of a Dockerfile on Debian; what they copy is put into the context. */
const RECIPES = {
  node: (context) => {
    cpSync(process.execPath, join(context, 'node'));
    const npm = dirname(dirname(realpathSync(execute(['which', 'npm']).trim())));
    cpSync(npm, join(context, 'npm'), { recursive: true });
    cpSync(join(nodeFolder(), 'include/node'), join(context, 'headers'), { recursive: true });
    return [
      `${APT} libstdc++6 libatomic1 && useradd --uid 1000 --create-home node`,
      'COPY headers /usr/local/include/node',
      'COPY npm /usr/local/lib/node_modules/npm',
      'COPY node /usr/local/bin/node',
      'RUN cd /usr/local/bin && for name in npm npx; do ln -s ../lib/node_modules/npm/bin/$name-cli.js $name; done',
    ];
  },
  nats: () => [`${APT} nats-server wget`, 'ENTRYPOINT ["nats-server"]'],
  haproxy: () => [`${APT} haproxy`],
};

/** Where the headers of the running Node lie, with which better-sqlite3 is compiled. */
function nodeFolder() {
  const { stdout } = spawnSync('npm', ['config', 'get', 'nodedir'], { encoding: 'utf8', cwd: ROOT });
  const folders = [stdout.trim(), dirname(dirname(process.execPath))];
  const found = folders.find((folder) => existsSync(join(folder, 'include/node/node.h')));
  if (found === undefined) throw new Error(`the headers of Node are in none of ${folders.join(', ')}`);
  return found;
}
