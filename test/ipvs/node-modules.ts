/** Packages with all that they need to run, as files for a machine that has none. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What is read while a program runs. */
const WANTED = /(\/package\.json|\.[cm]?js|\.json|\/build\/Release\/better_sqlite3\.node)$/;
/** Of a workspace, what is built; of others, no sources of C. */
const UNWANTED = /\/(src|test|tests|docs?|deps|obj|obj\.target|coverage)(\/|$)/;

const ONLY_TO_INSTALL: ReadonlySet<string> = new Set(['prebuild-install']);

/** From the path in the machine to the content. All packages are in one folder, as npm has arranged them here. */
export function nodeModules(root: string, names: readonly string[], folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  const known = new Set<string>();
  const add = (name: string, neededBy: string): void => {
    if (known.has(name)) return;
    known.add(name);
    const home = packageFolder(name, neededBy);
    const { dependencies = {} } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest;
    const keepsSources = !name.startsWith('@signalbox/') && name !== 'better-sqlite3';
    for (const file of filesIn(home, '', keepsSources))
      files.set(join(folder, name, file), readFileSync(join(home, file)));
    for (const dependency of Object.keys(dependencies)) if (!ONLY_TO_INSTALL.has(dependency)) add(dependency, home);
  };
  for (const name of names) add(name, root);
  return files;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Found as Node finds it: in the nearest folder of packages above. An `exports` without package.json is no hindrance. */
function packageFolder(name: string, neededBy: string): string {
  for (let folder = neededBy; ; folder = dirname(folder)) {
    const home = join(folder, 'node_modules', name);
    if (existsSync(join(home, 'package.json'))) return realpathSync(home);
    if (folder === dirname(folder)) throw new Error(`${name}, which ${neededBy} needs, is not installed`);
  }
}

function filesIn(home: string, folder: string, keepsSources: boolean): string[] {
  return readdirSync(join(home, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.name === 'node_modules' || (!keepsSources && UNWANTED.test(`/${path}`))) return [];
    if (entry.isDirectory()) return filesIn(home, path, keepsSources);
    return WANTED.test(`/${path}`) ? [path] : [];
  });
}
