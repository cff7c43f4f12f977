/** `npm run bench`, `bench:plane`, `bench:rules`, `bench:lb`: set up, build the bench, run it. */
import { join } from 'node:path';
import { installPrograms } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

setUp();
installPrograms();
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
const [first, ...others] = process.argv.slice(2);
const MAINS = { rules: 'rules', lb: 'lb', plane: 'plane/main' };
const [bench, args] = Object.hasOwn(MAINS, first ?? '') ? [MAINS[first], others] : ['main', process.argv.slice(2)];
run(process.execPath, [join(ROOT, `test/dist/bench/${bench}.js`), ...args]);
