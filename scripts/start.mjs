/** `npm start`: set up, then run the whole plane, on the example cluster unless the arguments name another source. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, setUp } from './setup.mjs';

const SOURCE_FLAGS = ['--manifests', '--kubeconfig', '--context', '--in-cluster'];

setUp();
const given = process.argv.slice(2);
const hasSource = given.some((argument) =>
  SOURCE_FLAGS.some((flag) => argument === flag || argument.startsWith(`${flag}=`)),
);
const args = ['up', ...(hasSource || given.includes('--help') ? [] : exampleSource()), ...given];
const child = spawn(process.execPath, [join(ROOT, 'packages/cli/bin/signalbox.js'), ...args], { stdio: 'inherit' });
// The terminal sends Ctrl-C to both processes; this one stays until the plane has stopped. A supervisor signals only this one.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128);
});

function exampleSource() {
  return ['--manifests', `shop=${join(ROOT, 'examples/shop')}`, '--cluster-cidr', '10.1.0.0/16,fd00:1::/32'];
}
