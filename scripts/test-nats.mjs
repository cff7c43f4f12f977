/**
 * `npm run test:nats`: everything that runs on NATS, on later servers than the installed one: those of Debian's stable and
 * unstable releases. `npm run test:nats -- sid` takes one of them. Needs root on a Debian system.
 */
import { delimiter } from 'node:path';
import { debianNatsServer, versionOf } from './debian-nats-server.mjs';
import { installPrograms } from './programs.mjs';
import { run, say, setUp } from './setup.mjs';

const TESTS = ['packages/event-log', 'packages/kit', 'test/nats', 'test/e2e/services.test.ts', 'test/chaos'];
const USAGE = 'npm run test:nats [-- SUITE…]: on the nats-server of these Debian releases (trixie sid).';
const { PATH = '' } = process.env;
const suites = process.argv.slice(2);

if (suites.some((suite) => suite.startsWith('-'))) {
  say(USAGE);
  process.exit(suites[0] === '--help' ? 0 : 2);
}
setUp();
installPrograms();
for (const suite of suites.length > 0 ? suites : ['trixie', 'sid']) {
  const folder = debianNatsServer(suite);
  say(`nats-server ${versionOf(folder)}, of Debian ${suite}; for the fault test: --nats ${folder}`);
  process.env.PATH = `${folder}${delimiter}${PATH}`;
  // A test that cannot start the server is to fail.
  process.env.CI = '1';
  run('npx', ['vitest', 'run', ...TESTS]);
}
