/** `npm run bench`, `npm run bench:rules`, `npm run bench:lb`: set up, build the bench, run it. */
import { join } from 'node:path';
import { installPrograms } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

setUp();
installPrograms();
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
const [first, ...others] = process.argv.slice(2);
const [bench, args] = ['rules', 'lb'].includes(first) ? [first, others] : ['main', process.argv.slice(2)];
run(process.execPath, [join(ROOT, `test/dist/bench/${bench}.js`), ...args]);
