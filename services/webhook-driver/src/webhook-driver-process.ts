/** The webhook driver as a process of its own, and as `signalbox webhook-driver`: flags and environment. */
import { readFile } from 'node:fs/promises';
import { SignalboxError } from '@signalbox/contracts';
import { type ProcessDefinition, settingOption, wholeNumber } from '@signalbox/kit';
import type { Command } from 'commander';

interface DriverSettings {
  readonly class: string;
  readonly url?: string;
  readonly secretFile?: string;
  readonly name?: string;
  readonly allowPrivateTargets?: boolean;
  readonly concurrency: number;
  readonly timeout: number;
  readonly leaseDuration: number;
}

export const webhookDriverProcess: ProcessDefinition<DriverSettings> = {
  name: 'webhook-driver',
  description: 'Sends the target groups of one load-balancer class to a webhook.',
  options: (command) => addOptions(command).addHelpText('after', EXAMPLES),
  start: async (context, options) => {
    const { url, secretFile, name } = options;
    if (url === undefined || !URL.canParse(url))
      throw new SignalboxError('invalid', 'say where to send to, with --url');
    if (secretFile === undefined) throw new SignalboxError('invalid', 'say what to sign with, with --secret-file');
    const { startWebhookDriver } = await import('./webhook-driver.ts');
    return startWebhookDriver(context, {
      loadBalancerClass: options.class,
      url: new URL(url),
      secrets: await readSecrets(secretFile),
      ...(name !== undefined && { name }),
      allowsPrivate: options.allowPrivateTargets ?? false,
      concurrency: options.concurrency,
      timeoutMs: options.timeout * 1000,
      leaseMs: options.leaseDuration * 1000,
    });
  },
};

async function readSecrets(path: string): Promise<Buffer[]> {
  const { parseSecrets } = await import('./sign-message.ts');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SignalboxError('invalid', 'the secret file cannot be read', { cause });
  });
  return parseSecrets(text);
}

function addOptions(command: Command): Command {
  return command
    .addOption(
      settingOption('--class <name>', 'spec.loadBalancerClass of the Services; empty: those without').default(''),
    )
    .addOption(settingOption('--url <url>', 'where to send to, over https or http'))
    .addOption(settingOption('--secret-file <path>', 'what to sign with: one whsec_… per line'))
    .addOption(settingOption('--name <name>', 'unique among the drivers of the class (default: webhook@HOST)'))
    .addOption(settingOption('--allow-private-targets', 'send to loopback and private addresses too'))
    .addOption(
      settingOption('--concurrency <count>', 'messages under way at once')
        .default(8)
        .argParser(wholeNumber({ min: 1, max: 256 })),
    )
    .addOption(
      settingOption('--timeout <seconds>', 'for one message')
        .default(10)
        .argParser(wholeNumber({ min: 1, max: 300 })),
    )
    .addOption(
      settingOption('--lease-duration <seconds>', 'after which another driver takes over')
        .default(15)
        .argParser(wholeNumber({ min: 1, max: 3600 })),
    );
}

const EXAMPLES = `
Examples:
  signalbox webhook-driver --class example.com/f5 --url https://lb.example.com/hooks --secret-file webhook.secret
  signalbox webhook-driver --url http://127.0.0.1:9000/ --secret-file ./secret --allow-private-targets`;
