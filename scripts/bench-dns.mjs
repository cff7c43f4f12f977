/** `npm run bench:dns`: set up, install the load generator and the peers, build the bench, run it. */
import { join } from 'node:path';
import { tellUsage } from './bench-usage.mjs';
import { installPrograms } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

tellUsage('dns', process.argv.slice(2));
setUp();
installPrograms({
  dnsperf: 'dnsperf',
  taskset: 'util-linux',
  unshare: 'util-linux',
  ip: 'iproute2',
  nsd: 'nsd',
  knotd: 'knot',
  named: 'bind9',
});
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);

const bench = [process.execPath, join(ROOT, 'test/dist/bench/dns/main.js'), ...process.argv.slice(2)];
if (process.getuid?.() === 0) runApart(bench);
else run(bench[0], bench.slice(1));

/** In a network of its own, so that this machine's firewall rules are not measured. */
function runApart(command) {
  run('unshare', ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command]);
}
