/** `npm run bench`: set up, build the bench, run it. */
import { join } from 'node:path';
import { installPrograms } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

setUp();
installPrograms();
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
run(process.execPath, [join(ROOT, 'test/dist/bench/main.js'), ...process.argv.slice(2)]);
