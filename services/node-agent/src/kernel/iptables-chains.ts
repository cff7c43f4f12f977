/** Removing Kubernetes' service chains from iptables, as one `iptables-restore --noflush` script. Pure. */

/** Chains of kube-proxy in any of its iptables and IPVS modes. Those of the kubelet and of network plugins are not among them. */
const SHARED_CHAIN =
  /^KUBE-(SERVICES|EXTERNAL-SERVICES|NODEPORTS|POSTROUTING|MARK-MASQ|MARK-REMOTE|FORWARD|PROXY-FIREWALL|PROXY-CANARY|LOAD-BALANCER|NODE-PORT|SOURCE-RANGES-FIREWALL|IPVS-FILTER|IPVS-OUT-FILTER)$/;
const SERVICE_CHAIN = /^KUBE-(SVC|SVL|SEP|FW|EXT|XLB)-[A-Z0-9]+$/;

interface Table {
  readonly name: string;
  readonly chains: readonly string[];
  readonly rules: readonly { readonly chain: string; readonly target: string | undefined; readonly text: string }[];
}

/**
 * From the output of `iptables-save`: deletes every jump to a chain that goes, and the chain. Of the shared chains those in
 * `kept` stay, and of all chains those that a kept one leads to. Empty when there is nothing to remove.
 */
export function removalScript(saved: string, kept: ReadonlySet<string> = new Set()): string {
  return parseTables(saved)
    .map((table) => removalOfTable(table, kept))
    .join('');
}

function removalOfTable({ name, chains, rules }: Table, kept: ReadonlySet<string>): string {
  const foreign = new Set(chains.filter((chain) => SHARED_CHAIN.test(chain) && !kept.has(chain)));
  const reachable = new Set(chains.filter((chain) => !foreign.has(chain) && !SERVICE_CHAIN.test(chain)));
  for (const chain of reachable) {
    for (const { chain: from, target } of rules) {
      if (from === chain && target !== undefined && !foreign.has(target)) reachable.add(target);
    }
  }
  const removed = chains.filter((chain) => foreign.has(chain) || (SERVICE_CHAIN.test(chain) && !reachable.has(chain)));
  if (removed.length === 0) return '';
  const isRemoved = (chain: string | undefined): boolean => chain !== undefined && removed.includes(chain);
  const jumps = rules.filter(({ chain, target }) => !isRemoved(chain) && isRemoved(target));
  const lines = [
    `*${name}`,
    ...removed.map((chain) => `:${chain} - [0:0]`),
    ...jumps.map(({ text }) => text.replace(/^-A/, '-D')),
    ...removed.map((chain) => `-X ${chain}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}

function parseTables(saved: string): Table[] {
  return saved
    .split(/^\*/m)
    .slice(1)
    .map((part) => {
      const [name = '', ...lines] = part.split('\n');
      const chains = lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' ', 1)[0] ?? '');
      const rules = lines
        .filter((line) => line.startsWith('-A '))
        .map((text) => ({ text, chain: text.split(' ', 2)[1] ?? '', target: / -[jg] (\S+)/.exec(text)?.[1] }));
      return { name, chains, rules };
    });
}
