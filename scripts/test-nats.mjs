/**
 * `npm run test:nats`: everything that runs on NATS, on later servers than the installed one: those of Debian's stable and
 * unstable releases. `npm run test:nats -- sid` takes one of them. Needs root on a Debian system.
 */
import { delimiter } from 'node:path';
import { debianNatsServer, versionOf } from './debian-nats-server.mjs';
import { installPrograms } from './programs.mjs';
import { run, say, setUp } from './setup.mjs';

const TESTS = ['packages/event-log', 'packages/kit', 'test/nats', 'test/e2e/services.test.ts', 'test/chaos'];
const { PATH = '' } = process.env;

setUp();
installPrograms();
const suites = process.argv.slice(2);
for (const suite of suites.length > 0 ? suites : ['trixie', 'sid']) {
  const folder = debianNatsServer(suite);
  say(`nats-server ${versionOf(folder)}, of Debian ${suite}; for the fault test: --nats ${folder}`);
  process.env.PATH = `${folder}${delimiter}${PATH}`;
  // A test that cannot start the server is to fail.
  process.env.CI = '1';
  run('npx', ['vitest', 'run', ...TESTS]);
}
