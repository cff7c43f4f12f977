/**
 * Logins as files, for NATS servers and services that are given folders and not Secrets: `nats/authorization.conf` for the
 * servers, with permissions and passwords, and for each service `NAME/password`. Servers of a cluster also get `nats/routes.conf`,
 * for the inside of their `cluster` block: what they ask of each other, and how they reach each other with it. Passwords that
 * are there are kept, so that running it again changes only permissions; what is mounted elsewhere cannot be read there.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NATS_ROUTES_USER, natsPasswordVariable, renderNatsConfig, SERVICE_ACCESS } from '@signalbox/event-log';

interface NatsLoginOptions {
  /** `HOST:PORT` of the servers of a cluster, for routes; none: a server on its own. */
  readonly routes: readonly string[];
  readonly makePassword: () => string;
}

/** The folder is made for its owner only, when it is not there; what is in it is for whoever it is mounted for. */
export async function writeNatsLogins(folder: string, { routes, makePassword }: NatsLoginOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const variables: string[] = [];
  for (const service of Object.keys(SERVICE_ACCESS)) {
    const password = await keptPassword(join(await subfolder(folder, service), 'password'), makePassword);
    variables.push(`${natsPasswordVariable(service)}: ${JSON.stringify(password)}`);
  }
  const servers = await subfolder(folder, 'nats');
  await replaceFile(join(servers, 'authorization.conf'), `${variables.join('\n')}\n${renderNatsConfig()}`);
  if (routes.length === 0) return;
  const password = await keptPassword(join(servers, 'routes-password'), makePassword);
  await replaceFile(join(servers, 'routes.conf'), renderRoutes(routes, password));
}

/** A server takes the login of a route from its URL only, so the password is there and in what the server asks for. */
function renderRoutes(routes: readonly string[], password: string): string {
  const urls = routes.map((route) => `  "nats://${NATS_ROUTES_USER}:${password}@${route}"\n`);
  return `authorization { user: "${NATS_ROUTES_USER}", password: "${password}" }\nroutes: [\n${urls.join('')}]\n`;
}

async function keptPassword(path: string, makePassword: () => string): Promise<string> {
  const password = (await readPassword(path)) ?? makePassword();
  await replaceFile(path, password);
  return password;
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
