import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Parser of an option's value: `60s`, `12h`, `90d`, in seconds. */
export function parseSeconds(text: string): number {
  const [, count, unit = ''] = /^(\d{1,5})([smhd])$/.exec(text) ?? [];
  const value = Number(count) * (UNITS[unit] ?? 0);
  if (value >= 1) return value;
  throw new InvalidArgumentError('It must be a time like 60s, 12h or 90d.');
}
