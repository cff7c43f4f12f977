/** resolv.conf as data, read and written as the kubelet and a container runtime do. */
import { SignalboxError } from '@signalbox/contracts';

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** `ndots:5`, `rotate`. */
  readonly options: readonly string[];
}

/**
 * Nameserver lines add up, the last search line counts, a later option replaces an earlier one of its name. Domains lose
 * their trailing dot, so that one domain written in two ways counts once; `.` alone stays. Throws `invalid` for a
 * nameserver line without an address: the kubelet then starts no pod.
 */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'search') searches = values.map((domain) => (domain === '.' ? domain : domain.replace(/\.$/, '')));
    if (keyword === 'options') options = mergeOptions(options, values);
    if (keyword !== 'nameserver') continue;
    const [address] = values;
    if (address === undefined) throw new SignalboxError('invalid', `line ${index + 1}: nameserver without an address`);
    nameservers.push(address);
  }
  return { nameservers, searches, options };
}

/** Options of one name: the last value, at the first one's place. */
export function mergeOptions(known: readonly string[], more: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const option of [...known, ...more]) byName.set(option.split(':', 1)[0] ?? option, option);
  return [...byName.values()];
}

/** The lines that containerd and CRI-O write, in their order. */
export function resolvConfText({ nameservers, searches, options }: ResolvConf): string {
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
