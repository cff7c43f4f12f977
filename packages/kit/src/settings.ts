/** Flags and environment variables of processes and of the command line. */
import { isIP } from 'node:net';
import { InvalidArgumentError, Option } from 'commander';
import type { ListenAddress } from './listen-address.ts';

/** An option with an environment variable: `--nats-replicas` is also SIGNALBOX_NATS_REPLICAS. */
export function settingOption(flags: string, description: string): Option {
  const name = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  return new Option(flags, description).env(`SIGNALBOX_${name.replaceAll('-', '_').toUpperCase()}`);
}

export interface LeaseFlags {
  /** Seconds. */
  readonly lease: number;
}

/** Of a service whose replicas share work, or stand by for each other. */
export function leaseOption(): Option {
  return settingOption('--lease <seconds>', 'others take over when a replica is silent for longer')
    .default(5)
    .argParser(wholeNumber({ min: 1, max: 300 }));
}

/** Parser of an option's value; what is wrong is told with the option's name. */
export function wholeNumber({ min, max }: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** An option that is an address to listen on; `address` when nothing was said. */
export function listenOption(flags: string, description: string, address: string): Option {
  return settingOption(flags, description).default(listenAddress(address), `"${address}"`).argParser(listenAddress);
}

/** Parser of `ADDRESS:PORT`, `[ADDRESS]:PORT`, or `:PORT` (loopback). */
export function listenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match !== null && port <= 65_535) return { address: match[1] ?? (match[2] || '127.0.0.1'), port };
  throw new InvalidArgumentError('It must be ADDRESS:PORT, for example 127.0.0.1:8080.');
}

const UNITS = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** Parser of `512MiB`, `2GiB`, or a plain number of bytes. */
export function byteSize({ min }: { min: number }): (text: string) => number {
  return (text) => {
    const [, count = '', unit = ''] = /^(\d{1,15})(|KiB|MiB|GiB|TiB)$/.exec(text.trim()) ?? [];
    const bytes = count === '' ? Number.NaN : Number(count) * UNITS[unit as keyof typeof UNITS];
    if (Number.isSafeInteger(bytes) && bytes >= min) return bytes;
    throw new InvalidArgumentError(`It must be a size of at least ${min} bytes, like 512MiB or 2GiB.`);
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
