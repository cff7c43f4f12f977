/** `npm run bench:dns`: set up, build the bench, run it. dnsperf and taskset have to be there. */
import { join } from 'node:path';
import { ROOT, run, setUp } from './setup.mjs';

setUp();
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
run(process.execPath, [join(ROOT, 'test/dist/bench/dns/main.js')]);
