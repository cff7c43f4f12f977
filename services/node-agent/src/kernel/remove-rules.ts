/** Takes rules out of the kernel: our own on request, and kube-proxy's once ours are in. */
import { type RulesBackend, SignalboxError } from '@signalbox/contracts';
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

export async function removeOwnRules(run: RunProgram, backend: RulesBackend): Promise<void> {
  if (backend === 'nftables') return await removeTables(run, OWN_TABLE);
  await removeChains(run, new Set());
  if (backend === 'ipvs') await removeIpvs(run);
}

/**
 * Removes what kube-proxy left in any of its modes, except what our rules have replaced. Throws `unavailable` when our own
 * rules are not there: removing the only rules of a node would cut it off.
 */
export async function removeKubeProxyRules(run: RunProgram, backend: RulesBackend): Promise<void> {
  await requireOwnRules(run, backend);
  const kept = new Set(KEPT_CHAINS[backend].map((name) => `KUBE-${name}`));
  await whereInstalled(() => removeTables(run, KUBE_PROXY_TABLE));
  await whereInstalled(() => removeChains(run, kept));
  if (backend !== 'ipvs' && (await hasIpvs(run))) await removeIpvs(run);
}

async function requireOwnRules(run: RunProgram, backend: RulesBackend): Promise<void> {
  if (backend === 'nftables') await run({ program: 'nft', args: ['list', 'chain', 'ip', OWN_TABLE, 'nat-prerouting'] });
  const saved = backend === 'nftables' ? '' : await run({ program: 'iptables-save', args: ['-t', 'nat'] });
  const isThere = backend === 'nftables' || /^-A PREROUTING .*-j KUBE-SERVICES$/m.test(saved);
  if (!isThere)
    throw new SignalboxError('unavailable', 'our own rules are not in the kernel, so those of kube-proxy stay');
}

async function removeTables(run: RunProgram, table: string): Promise<void> {
  // Added first, so that removing what is not there is no error.
  const commands = ['ip', 'ip6'].flatMap((family) => [
    `add table ${family} ${table}`,
    `delete table ${family} ${table}`,
  ]);
  await run({ program: 'nft', args: ['-f', '-'], input: `${commands.join('\n')}\n` });
}

async function removeChains(run: RunProgram, kept: ReadonlySet<string>): Promise<void> {
  for (const program of ['iptables', 'ip6tables']) {
    const input = removalScript(await run({ program: `${program}-save`, args: [] }), kept);
    if (input !== '') await run({ program: `${program}-restore`, args: ['--noflush'], input });
  }
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
