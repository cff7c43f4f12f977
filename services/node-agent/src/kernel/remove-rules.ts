/** Takes rules out of the kernel: our own on request, and kube-proxy's once ours are in. */
import { type RulesBackend, SignalboxError } from '@signalbox/contracts';
import type { RenderOptions } from '@signalbox/rules';
import { removalScript } from './iptables-chains.ts';
import { isMissingProgram, type RunProgram } from './run-program.ts';

const OWN_TABLE = 'signalbox';
const KUBE_PROXY_TABLE = 'kube-proxy';
const IPVS_INTERFACE = 'kube-ipvs0';

/** Shared names that our own rules use: what kube-proxy had under the same names is replaced by them already. */
const KEPT_CHAINS: Readonly<Record<RulesBackend, readonly string[]>> = {
  nftables: [],
  iptables: [
    'SERVICES',
    'EXTERNAL-SERVICES',
    'NODEPORTS',
    'POSTROUTING',
    'MARK-MASQ',
    'MARK-REMOTE',
    'FORWARD',
    'PROXY-FIREWALL',
  ],
  ipvs: ['SERVICES', 'POSTROUTING', 'MARK-MASQ', 'PROXY-FIREWALL', 'IPVS-FILTER'],
};

type Family = RenderOptions['families'][number];

const BOTH_FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];
const TABLE_FAMILIES: Readonly<Record<Family, string>> = { IPv4: 'ip', IPv6: 'ip6' };
const IPTABLES: Readonly<Record<Family, string>> = { IPv4: 'iptables', IPv6: 'ip6tables' };

/** Of both families: an earlier process may have programmed more than this one. */
export async function removeOwnRules(run: RunProgram, backend: RulesBackend): Promise<void> {
  if (backend === 'nftables') return await removeTables(run, OWN_TABLE, BOTH_FAMILIES);
  for (const family of BOTH_FAMILIES) await removeChains(run, family, new Set());
  if (backend === 'ipvs') await removeIpvs(run);
}

/**
 * Removes what kube-proxy left in any of its modes, except what our rules have replaced, and except the rules of a family
 * that we do not program (virtual servers of IPVS go together). Throws `unavailable` when our own rules are not there:
 * removing the only rules of a node would cut it off.
 */
export async function removeKubeProxyRules(
  run: RunProgram,
  { backend, families }: Pick<RenderOptions, 'backend' | 'families'>,
): Promise<void> {
  for (const family of families) await requireOwnRules(run, backend, family);
  const kept = new Set(KEPT_CHAINS[backend].map((name) => `KUBE-${name}`));
  await whereInstalled(() => removeTables(run, KUBE_PROXY_TABLE, families));
  for (const family of families) await whereInstalled(() => removeChains(run, family, kept));
  if (backend !== 'ipvs' && (await hasIpvs(run))) await removeIpvs(run);
}

async function requireOwnRules(run: RunProgram, backend: RulesBackend, family: Family): Promise<void> {
  if (backend === 'nftables') {
    await run({ program: 'nft', args: ['list', 'chain', TABLE_FAMILIES[family], OWN_TABLE, 'nat-prerouting'] });
    return;
  }
  const saved = await run({ program: `${IPTABLES[family]}-save`, args: ['-t', 'nat'] });
  if (!/^-A PREROUTING .*-j KUBE-SERVICES$/m.test(saved))
    throw new SignalboxError('unavailable', 'our own rules are not in the kernel, so those of kube-proxy stay');
}

async function removeTables(run: RunProgram, table: string, families: readonly Family[]): Promise<void> {
  // Added first, so that removing what is not there is no error.
  const commands = families.flatMap((family) =>
    ['add', 'delete'].map((verb) => `${verb} table ${TABLE_FAMILIES[family]} ${table}\n`),
  );
  await run({ program: 'nft', args: ['-f', '-'], input: commands.join('') });
}

async function removeChains(run: RunProgram, family: Family, kept: ReadonlySet<string>): Promise<void> {
  const input = removalScript(await run({ program: `${IPTABLES[family]}-save`, args: [] }), kept);
  if (input !== '') await run({ program: `${IPTABLES[family]}-restore`, args: ['--noflush'], input });
}

async function hasIpvs(run: RunProgram): Promise<boolean> {
  return await run({ program: 'ip', args: ['link', 'show', IPVS_INTERFACE] }).then(
    () => true,
    () => false,
  );
}

/** Chains that match on sets have to be gone before. All virtual servers of the network namespace go. */
async function removeIpvs(run: RunProgram): Promise<void> {
  await whereInstalled(() => run({ program: 'ipvsadm', args: ['--clear'] }));
  if (await hasIpvs(run)) await run({ program: 'ip', args: ['link', 'delete', IPVS_INTERFACE] });
  await whereInstalled(async () => {
    const names = (await run({ program: 'ipset', args: ['list', '-name'] })).split('\n');
    for (const name of names.filter((text) => text.startsWith('KUBE-')))
      await run({ program: 'ipset', args: ['destroy', name] });
  });
}

/** A program that is not installed has left nothing behind. */
async function whereInstalled(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isMissingProgram(error)) throw error;
  }
}
