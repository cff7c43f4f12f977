/** `npm run bench`, `bench:plane`, `bench:rules`, `bench:lb`: set up, build the bench, run it. */
import { join } from 'node:path';
import { tellUsage } from './bench-usage.mjs';
import { installPrograms } from './programs.mjs';
import { ROOT, run, setUp } from './setup.mjs';

const MAINS = { rules: 'rules', lb: 'lb', plane: 'plane/main' };
const [first = '', ...others] = process.argv.slice(2);
const isNamed = Object.hasOwn(MAINS, first);
const args = isNamed ? others : process.argv.slice(2);
if (first !== 'plane') tellUsage(isNamed ? first : 'bench', args);
setUp();
installPrograms();
run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'test/tsconfig.bench.json']);
run(process.execPath, [join(ROOT, `test/dist/bench/${isNamed ? MAINS[first] : 'main'}.js`), ...args]);
