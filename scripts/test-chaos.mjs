/** `npm run test:chaos`: set up, build the fault test, run it. `--help` says what it can be told. */
import { join } from 'node:path';
import { installPrograms, PROGRAMS } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

setUp();
const { nft, ip, conntrack, sysctl } = PROGRAMS;
installPrograms({ 'nats-server': PROGRAMS['nats-server'], nft, ip, conntrack, sysctl });
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
run(process.execPath, [join(ROOT, 'test/dist/chaos/main.js'), ...process.argv.slice(2)]);
