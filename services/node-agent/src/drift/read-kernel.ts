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

/** One state per family of the options. Changes nothing. Rejects when a program is missing or fails. */
export type KernelReader = (options: RenderOptions) => Promise<KernelState[]>;

type Family = RenderOptions['families'][number];

export function kernelReader(run: RunProgram, owner: KernelOwner): KernelReader {
  return async (options) => {
    const states: KernelState[] = [];
    // One after the other: each may hold the whole table in memory.
    for (const family of options.families) states.push(await readFamily(run, { owner, family, options }));
    return states;
  };
}

interface Reading {
  readonly owner: KernelOwner;
  readonly family: Family;
  readonly options: RenderOptions;
}

async function readFamily(run: RunProgram, { owner, family, options }: Reading): Promise<KernelState> {
  const read = { family, podSources: podSourcesOf(options, family) };
  const save = { program: family === 'IPv4' ? 'iptables-save' : 'ip6tables-save', args: [] };
  switch (options.backend) {
    case 'nftables':
      return readNftables(await listTable(run, family, owner), owner, read);
    case 'iptables':
      return readIptables(await run(save), read);
    case 'ipvs': {
      const ipvsadm = await run({ program: 'ipvsadm', args: ['--save', '--numeric'] });
      const ipset = await run({ program: 'ipset', args: ['save'] });
      return readIpvs({ ipvsadm, ipset, iptables: await run(save) }, read);
    }
  }
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
