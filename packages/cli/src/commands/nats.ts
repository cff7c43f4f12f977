/** `signalbox nats permissions`: the users of a nats-server, each with what its service needs and nothing else. */
import type { Command } from 'commander';
import type { CliIo } from '../io.ts';

export function addNatsCommand(program: Command, io: CliIo): void {
  program
    .command('nats')
    .description('what a nats-server has to be told')
    .command('permissions')
    .description('print the authorization block of a nats-server configuration')
    .option('--prefix <name>', 'of streams and subjects', 'signalbox')
    .argument('[services...]', 'only these; all when none is named')
    .addHelpText('after', EXAMPLES)
    .action(async (services: string[], { prefix }: { prefix: string }) => {
      const { renderNatsConfig } = await import('@signalbox/event-log');
      io.stdout.write(renderNatsConfig({ prefix, ...(services.length > 0 && { services }) }));
    });
}

const EXAMPLES = `
Examples:
  signalbox nats permissions > authorization.conf
  signalbox nats permissions dns-server node-agent`;
