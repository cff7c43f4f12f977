/**
 * `npm run test:ipvs`: the IPVS rules in a virtual machine, because few kernels still have IPVS; `npm run bench:ipvs`: what
 * they cost there, beside nftables. Needs root on a Debian system of the amd64 architecture: installs the packages below, and
 * downloads a kernel into node_modules/.cache.
 */
import { join } from 'node:path';
import { tellUsage } from './bench-usage.mjs';
import { installPrograms, PROGRAMS } from './programs.mjs';
import { ROOT, run, say, setUp } from './setup.mjs';

/** Program → Debian package, beside what `npm test` needs. */
const MACHINE_PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  depmod: 'kmod',
};

const [what, ...args] = process.argv.slice(2);
if (what === 'bench') tellUsage('ipvs', args);
if (process.arch !== 'x64' || process.getuid?.() !== 0) {
  say('The virtual machine needs root on a Debian system of the amd64 architecture.');
  process.exit(1);
}
setUp();
installPrograms({ ...PROGRAMS, ...MACHINE_PROGRAMS });
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
const program = what === 'bench' ? 'bench' : 'main';
run(process.execPath, [join(ROOT, `test/dist/ipvs/${program}.js`), ...args]);
