/** `npm test`: set up, install the programs that tests need, then every check and every test. */
import { installPrograms } from './programs.mjs';
import { run, setUp } from './setup.mjs';

setUp();
installPrograms();
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
run('npm', ['run', '--silent', 'check']);
run('npx', ['vitest', 'run', ...process.argv.slice(2)]);
