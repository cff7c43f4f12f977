/** Rules in a real kernel, and what it says of them: each in a network namespace that lives as long as one command. */
import { spawnSync } from 'node:child_process';
import type { ProxyPlan } from '@signalbox/contracts';
import {
  compareStates,
  expectedStates,
  type KernelOwner,
  type KernelState,
  mergeComparisons,
  podSourcesOf,
  type RenderOptions,
  readIptables,
  readNftables,
  renderRules,
  type StateComparison,
} from '@signalbox/rules';

/** Output of a shell script in a fresh network namespace, with the text as its standard input. */
export function inNamespace(script: string, text: string): string {
  const options = { input: text, encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-ec', script], options);
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr.slice(0, 2000)}`);
  return stdout;
}

const SEPARATOR = '====';

/** What the kernel lists after the rules of the plans were loaded and `damage` (shell commands) was done to them. */
export function statesAfter(plans: readonly ProxyPlan[], options: RenderOptions, damage = ''): KernelState[] {
  return options.backend === 'nftables'
    ? nftablesStates(renderRules(plans, options).text, 'signalbox', options, damage)
    : options.families.map((family) => iptablesState(plans, { ...options, families: [family] }, damage));
}

export function nftablesStates(text: string, owner: KernelOwner, options: RenderOptions, damage = ''): KernelState[] {
  const tables = options.families.map((family) => (family === 'IPv4' ? 'ip' : 'ip6'));
  const lists = tables.map((ip) => `nft -j list table ${ip} ${owner} 2>/dev/null || :\necho ${SEPARATOR}`);
  const listed = inNamespace(['nft -f -', damage, ...lists].join('\n'), text).split(`${SEPARATOR}\n`);
  return options.families.map((family, index) =>
    readNftables(listed[index] ?? '', owner, { family, podSources: podSourcesOf(options, family) }),
  );
}

function iptablesState(plans: readonly ProxyPlan[], options: RenderOptions, damage: string): KernelState {
  const [family = 'IPv4'] = options.families;
  const program = family === 'IPv4' ? 'iptables' : 'ip6tables';
  const { text } = renderRules(plans, options);
  const script = [`${program}-restore --noflush`, damage.replaceAll('iptables', program), `${program}-save`].join('\n');
  return readIptables(inNamespace(script, text), { family, podSources: podSourcesOf(options, family) });
}

/** What is reported of the kernel after the damage. */
export function driftAfter(plans: readonly ProxyPlan[], options: RenderOptions, damage = ''): StateComparison {
  const expected = expectedStates(plans, options);
  const actual = statesAfter(plans, options, damage);
  return mergeComparisons(
    expected.flatMap((state) => {
      const found = actual.find(({ family }) => family === state.family);
      return found === undefined ? [] : [compareStates(state, found)];
    }),
  );
}
