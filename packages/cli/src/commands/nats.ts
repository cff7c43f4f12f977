/** `signalbox nats …`: the users of a nats-server, each with what its service needs and nothing else, and their passwords. */
import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliIo } from '../io.ts';

interface SecretsOptions {
  readonly namespace: string;
  readonly agentNamespace?: string;
  readonly folder?: string;
  readonly routes: readonly string[];
}

export function addNatsCommand(program: Command, io: CliIo): void {
  const nats = program.command('nats').description('what a nats-server has to be told');
  addPermissionsCommand(nats, io);
  addSecretsCommand(nats, io);
}

function addPermissionsCommand(nats: Command, io: CliIo): void {
  nats
    .command('permissions')
    .description('print the authorization block of a nats-server configuration')
    .option('--prefix <name>', 'of streams and subjects', 'signalbox')
    .argument('[services...]', 'only these; all when none is named')
    .addHelpText('after', PERMISSIONS_EXAMPLES)
    .action(async (services: string[], { prefix }: { prefix: string }) => {
      const { renderNatsConfig } = await import('@signalbox/event-log');
      io.stdout.write(renderNatsConfig({ prefix, ...(services.length > 0 && { services }) }));
    });
}

function addSecretsCommand(nats: Command, io: CliIo): void {
  nats
    .command('secrets')
    .description('print Kubernetes Secrets with a fresh password for each service; they are kept nowhere else')
    .option('--namespace <name>', 'of the NATS servers and the plane', namespaceName, 'signalbox')
    .option('--agent-namespace <name>', 'also a Secret for node agents, in their namespace', namespaceName)
    .option('--folder <path>', 'files in this folder instead, where passwords that are there are kept')
    .option(
      '--routes <servers>',
      'with --folder: HOST:PORT,… where servers of a cluster reach each other',
      serverList,
      [],
    )
    .addHelpText('after', SECRETS_EXAMPLES)
    .action(async ({ folder, routes, ...options }: SecretsOptions) => {
      if (folder !== undefined) {
        const { writeNatsLogins } = await import('../nats-login-files.ts');
        await writeNatsLogins(folder, { routes, makePassword });
        return;
      }
      const [{ natsSecrets }, { stringify }] = await Promise.all([import('../nats-secrets.ts'), import('yaml')]);
      const documents = natsSecrets({ ...options, makePassword }).map((secret) => stringify(secret));
      io.stdout.write(documents.join('---\n'));
    });
}

/** The letters in front keep nats-server from taking it for a number: variables are read as its configuration is. */
function makePassword(): string {
  return `sb_${randomBytes(24).toString('base64url')}`;
}

/** RFC 1123: what Kubernetes takes as the name of a namespace. */
function namespaceName(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the name of a namespace.');
}

/** They end up in a configuration: nothing but names, addresses and ports. */
function serverList(text: string): string[] {
  const servers = text.split(',');
  if (servers.every((server) => /^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i.test(server))) return servers;
  throw new InvalidArgumentError('It must be HOST:PORT, several with commas between them.');
}

const PERMISSIONS_EXAMPLES = `
Examples:
  signalbox nats permissions > authorization.conf
  signalbox nats permissions dns-server node-agent`;

const SECRETS_EXAMPLES = `
Examples:
  signalbox nats secrets | kubectl apply -f -
  signalbox nats secrets --agent-namespace signalbox-nodes | kubectl apply -f -
  signalbox nats secrets --namespace plane-b | kubectl apply -f -
  signalbox nats secrets --folder /logins
  signalbox nats secrets --folder /logins --routes nats-1:6222,nats-2:6222,nats-3:6222`;
