/** Tests that need a program of the operating system. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'vitest';

/** Without one of them: fails where `CI` is set, because nobody would notice the gap there, else skipped by name. */
export function programTest(programs: string | readonly string[], name: string, body: () => Promise<void>): void {
  const all = typeof programs === 'string' ? [programs] : programs;
  const title = `${all[0]} ${name}`;
  const missing = all.find((program) => !isInstalled(program));
  if (missing === undefined) test(title, body);
  else if (process.env.CI) test(title, () => Promise.reject(new Error(`${missing} is not installed`)));
  else test.skip(`${title} (skipped: ${missing} is not installed)`, body);
}

function isInstalled(program: string): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
