/**
 * Logins as files, for NATS servers and services that are given folders and not Secrets: `nats/authorization.conf` for the
 * servers, with permissions and passwords, and for each service `NAME/password`. Passwords that are there are kept, so that
 * running it again changes only permissions; what is mounted elsewhere cannot be read there.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { natsPasswordVariable, renderNatsConfig, SERVICE_ACCESS } from '@signalbox/event-log';

/** The folder is made for its owner only, when it is not there; what is in it is for whoever it is mounted for. */
export async function writeNatsLogins(folder: string, makePassword: () => string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const variables: string[] = [];
  for (const service of Object.keys(SERVICE_ACCESS)) {
    const path = join(await subfolder(folder, service), 'password');
    const password = (await readPassword(path)) ?? makePassword();
    await replaceFile(path, password);
    variables.push(`${natsPasswordVariable(service)}: ${JSON.stringify(password)}`);
  }
  const config = `${variables.join('\n')}\n${renderNatsConfig()}`;
  await replaceFile(join(await subfolder(folder, 'nats'), 'authorization.conf'), config);
}

async function subfolder(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  return path;
}

async function readPassword(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, also for a server that reads it at this moment. */
async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  await rm(next, { force: true });
  await writeFile(next, text);
  await chmod(next, 0o444);
  await rename(next, path);
}
