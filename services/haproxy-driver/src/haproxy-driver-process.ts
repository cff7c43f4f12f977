/** The HAProxy driver as a process of its own, and as `signalbox haproxy-driver`: flags and environment. */
import { isIP } from 'node:net';
import { type ProcessDefinition, settingOption, wholeNumber } from '@signalbox/kit';
import { type Command, InvalidArgumentError } from 'commander';
import type { BindAddresses } from './config/compile-proxies.ts';
import { BALANCE_ALGORITHMS, type BalanceAlgorithm } from './config/proxy.ts';

interface DriverSettings {
  readonly class: string;
  readonly folder: string;
  readonly name?: string;
  readonly bind: BindAddresses;
  readonly portOffset: number;
  readonly balance: BalanceAlgorithm;
  readonly maxConnections: number;
  readonly checkInterval: number;
  readonly lookInterval: number;
  readonly leaseDuration: number;
  readonly haproxy: string;
  readonly reloadCommand?: readonly string[];
}

export const haproxyDriverProcess: ProcessDefinition<DriverSettings> = {
  name: 'haproxy-driver',
  description: 'Programs a HAProxy with the target groups of one load-balancer class.',
  options: (command) => addOptions(command).addHelpText('after', EXAMPLES),
  start: async (context, { name, ...options }) => {
    const { startHaproxyDriver } = await import('./haproxy-driver.ts');
    return await startHaproxyDriver(context, {
      ...options,
      ...(name !== undefined && { name }),
      loadBalancerClass: options.class,
      checkIntervalMs: options.checkInterval,
      lookIntervalMs: options.lookInterval,
      leaseMs: options.leaseDuration * 1000,
    });
  },
};

function addOptions(command: Command): Command {
  const milliseconds = wholeNumber({ min: 100, max: 600_000 });
  return command
    .addOption(
      settingOption('--class <name>', 'spec.loadBalancerClass of the Services; empty: those without').default(''),
    )
    .addOption(settingOption('--folder <path>', 'shared with HAProxy').default('/run/signalbox-haproxy'))
    .addOption(settingOption('--name <name>', 'unique among the drivers of the class (default: haproxy@HOST)'))
    .addOption(
      settingOption('--bind <addresses>', 'where to listen: "local", "any", or addresses separated by commas')
        .default('local')
        .argParser(bindAddresses),
    )
    .addOption(
      settingOption('--port-offset <number>', 'added to the port of each Service')
        .default(0)
        .argParser(wholeNumber({ min: 0, max: 65_000 })),
    )
    .addOption(
      settingOption('--balance <algorithm>', 'for Services that ask for none')
        .choices(BALANCE_ALGORITHMS)
        .default('roundrobin'),
    )
    .addOption(
      settingOption('--max-connections <count>', 'of HAProxy')
        .default(4000)
        .argParser(wholeNumber({ min: 1, max: 10_000_000 })),
    )
    .addOption(
      settingOption('--check-interval <ms>', 'between two health checks of a target')
        .default(2000)
        .argParser(milliseconds),
    )
    .addOption(
      settingOption('--look-interval <ms>', 'between two looks at health and drift')
        .default(1000)
        .argParser(milliseconds),
    )
    .addOption(
      settingOption('--lease-duration <seconds>', 'after which another driver takes over')
        .default(15)
        .argParser(wholeNumber({ min: 1, max: 3600 })),
    )
    .addOption(settingOption('--haproxy <program>', 'the program').default('haproxy'))
    .addOption(
      settingOption('--reload-command <words>', 'reloads a HAProxy that somebody else runs').argParser((text) =>
        text.split(' ').filter(Boolean),
      ),
    );
}

function bindAddresses(text: string): BindAddresses {
  if (text === 'local' || text === 'any') return text;
  const addresses = text.split(',').map((part) => part.trim());
  const wrong = addresses.find((address) => isIP(address) === 0 || address.includes('%'));
  if (wrong === undefined) return addresses;
  throw new InvalidArgumentError(`"${wrong}" is neither an address, nor "local", nor "any".`);
}

const EXAMPLES = `
Examples:
  signalbox haproxy-driver --class example.com/haproxy --nats nats://10.0.0.5:4222
  signalbox haproxy-driver --bind 127.0.0.1 --port-offset 20000 --folder /tmp/signalbox-haproxy
  signalbox haproxy-driver --folder /etc/haproxy --reload-command 'systemctl reload haproxy'`;
