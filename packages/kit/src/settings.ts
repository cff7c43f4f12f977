/** Flags and environment variables of processes and of the command line. */
import { isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';

/** An option with an environment variable: `--nats-replicas` is also SIGNALBOX_NATS_REPLICAS. */
export function settingOption(flags: string, description: string): Option {
  const name = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  return new Option(flags, description).env(`SIGNALBOX_${name.replaceAll('-', '_').toUpperCase()}`);
}

/** Parser of an option's value; what is wrong is told with the option's name. */
export function wholeNumber({ min, max }: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** Parser of `10.244.0.0/16,fd00:244::/32`. */
export function networkList(text: string): readonly string[] {
  const networks = text.split(',').map((part) => part.trim());
  const wrong = networks.find((network) => !isNetwork(network));
  if (wrong === undefined) return networks;
  throw new InvalidArgumentError(`"${wrong}" is not a network like 10.244.0.0/16.`);
}

function isNetwork(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}
