import { readFileSync } from 'node:fs';

/** As package.json has it; beside dist/ and src/ alike. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
