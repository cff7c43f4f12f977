/** The command line: all commands, and what an error means to a caller. */
import { errorText, isSignalboxError, SignalboxError } from '@signalbox/contracts';
import { haproxyDriverProcess } from '@signalbox/haproxy-driver';
import { defineProcess } from '@signalbox/kit';
import { nodeAgentProcess } from '@signalbox/node-agent';
import { webhookDriverProcess } from '@signalbox/webhook-driver';
import { Command, CommanderError } from 'commander';
import { addBackupCommands } from './commands/backup.ts';
import { addDnsCommand } from './commands/dns.ts';
import { addGetCommand } from './commands/get.ts';
import { addLbCommand } from './commands/lb.ts';
import { addNatsCommand } from './commands/nats.ts';
import { addRenderCommand } from './commands/render.ts';
import { addResolveCommand } from './commands/resolve.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTargetsCommand } from './commands/targets.ts';
import { addTokenCommand } from './commands/token.ts';
import { addUpCommand } from './commands/up.ts';
import { addWaitCommand } from './commands/wait.ts';
import { type CliIo, EXIT } from './io.ts';
import { VERSION } from './version.ts';

/** Runs one command line (without node and script); returns the exit code. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const program = createProgram(io);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.invalid;
    io.stderr.write(`signalbox: ${errorText(error)}\n`);
    return exitCodeOf(error);
  }
}

function createProgram(io: CliIo): Command {
  const program = new Command('signalbox')
    .description(DESCRIPTION)
    .version(VERSION, '--version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .showSuggestionAfterError()
    .addHelpText('after', HELP);
  addUpCommand(program, io);
  addRenderCommand(program, io);
  addNatsCommand(program, io);
  addStatusCommand(program, io);
  addWaitCommand(program, io);
  addGetCommand(program, io);
  addResolveCommand(program, io);
  addDnsCommand(program, io);
  addBackupCommands(program, io);
  addTargetsCommand(program, io);
  addLbCommand(program, io);
  addTokenCommand(program, io);
  const nodeAgent = program.command(nodeAgentProcess.name).summary('program the rules of one node, as kube-proxy does');
  defineProcess(nodeAgent, nodeAgentProcess);
  const haproxyDriver = program.command(haproxyDriverProcess.name).summary('program a HAProxy with target groups');
  defineProcess(haproxyDriver, haproxyDriverProcess);
  const webhookDriver = program.command(webhookDriverProcess.name).summary('send target groups to a webhook');
  defineProcess(webhookDriver, webhookDriverProcess);
  return program;
}

function exitCodeOf(error: unknown): number {
  if (!isSignalboxError(error)) return EXIT.failed;
  if (error instanceof SignalboxError && error.code === 'invalid') return EXIT.invalid;
  if (error.code === 'unavailable') return EXIT.unavailable;
  return error.code === 'not_found' ? EXIT.notFound : EXIT.failed;
}

const DESCRIPTION =
  'Turns the Services of Kubernetes clusters into proxy rules, DNS zones and load-balancer registrations, together, under one revision.';

const HELP = `
Examples:
  signalbox up --manifests shop=examples/shop
  signalbox render rules --manifests shop=examples/shop --node node-a
  signalbox status
  signalbox get services
  signalbox resolve storefront --namespace shop
  signalbox node-agent --cluster shop --nats nats://10.0.0.5:4222

Exit codes:
  0  done
  1  something failed while running
  2  a flag, a name or an input is wrong
  3  the API or the event log cannot be reached
  4  there is no such thing`;
