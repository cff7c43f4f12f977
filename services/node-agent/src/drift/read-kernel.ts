/** What the kernel of this node does with services now, asked with the programs of each backend. */
import { errorText } from '@signalbox/contracts';
import {
  type KernelOwner,
  type KernelState,
  podSourcesOf,
  type RenderOptions,
  readIptables,
  readIpvs,
  readNftables,
} from '@signalbox/rules';

/** Resolves with standard output; rejects with the program's complaint. */
export type RunProgram = (call: { readonly program: string; readonly args: readonly string[] }) => Promise<string>;

type Family = RenderOptions['families'][number];

/** What the programs of a backend print of one family. */
export interface KernelListing {
  readonly family: Family;
  /** For IPVS those of iptables, ipvsadm and ipset; else one. */
  readonly outputs: readonly string[];
}

/** One listing per family of the options. Changes nothing. Rejects when a program is missing or fails. */
export async function listKernel(
  run: RunProgram,
  { families, backend }: RenderOptions,
  owner: KernelOwner,
): Promise<KernelListing[]> {
  const listings: KernelListing[] = [];
  // One after the other: each program may hold the whole table in memory.
  for (const family of families) listings.push({ family, outputs: await outputsOf(run, { family, backend, owner }) });
  return listings;
}

/** Seconds of work where the table is large. */
export function readListing(
  { family, outputs }: KernelListing,
  options: RenderOptions,
  owner: KernelOwner,
): KernelState {
  const read = { family, podSources: podSourcesOf(options, family) };
  const [first = '', ipvsadm = '', ipset = ''] = outputs;
  switch (options.backend) {
    case 'nftables':
      return readNftables(first, owner, read);
    case 'iptables':
      return readIptables(first, read);
    case 'ipvs':
      return readIpvs({ iptables: first, ipvsadm, ipset }, read);
  }
}

interface Asked {
  readonly family: Family;
  readonly backend: RenderOptions['backend'];
  readonly owner: KernelOwner;
}

async function outputsOf(run: RunProgram, { family, backend, owner }: Asked): Promise<string[]> {
  if (backend === 'nftables') return [await listTable(run, family, owner)];
  const iptables = await run({ program: family === 'IPv4' ? 'iptables-save' : 'ip6tables-save', args: [] });
  if (backend === 'iptables') return [iptables];
  const ipvsadm = await run({ program: 'ipvsadm', args: ['--save', '--numeric'] });
  return [iptables, ipvsadm, await run({ program: 'ipset', args: ['save'] })];
}

/** Empty when there is no such table, which is a finding and not a failure. */
async function listTable(run: RunProgram, family: Family, owner: KernelOwner): Promise<string> {
  const args = ['-j', 'list', 'table', family === 'IPv4' ? 'ip' : 'ip6', owner];
  try {
    return await run({ program: 'nft', args });
  } catch (error) {
    if (/^(?!.*exec of).*Error: No such file or directory/s.test(errorText(error))) return '';
    throw error;
  }
}
