/** Tests that need a program of the operating system. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'vitest';

/** Without the program: fails where `CI` is set, because nobody would notice the gap there, else skipped by name. */
export function programTest(program: string, name: string, body: () => Promise<void>): void {
  if (isInstalled(program)) test(`${program} ${name}`, body);
  else if (process.env.CI) test(`${program} ${name}`, () => Promise.reject(new Error(`${program} is not installed`)));
  else test.skip(`${program} ${name} (skipped: ${program} is not installed)`, body);
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
