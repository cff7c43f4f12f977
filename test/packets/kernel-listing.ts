/** Rules in a real kernel, and what it says of them: each in a network namespace that lives as long as one command. */
import { spawnSync } from 'node:child_process';
import type { ProxyPlan } from '@signalbox/contracts';
import {
  compareStates,
  expectedStates,
  type KernelOwner,
  type KernelState,
  mergeComparisons,
  NodeRules,
  podSourcesOf,
  type RenderOptions,
  type RulesStep,
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

/** What the kernel lists after the plans of each step were applied as changes of the ones before. */
export function statesAfterChanges(steps: readonly (readonly ProxyPlan[])[], options: RenderOptions): KernelState[] {
  const rules = new NodeRules(options);
  const [first = [], ...others] = steps;
  const scripts = [rules.reset(first)];
  let before = first;
  for (const plans of others) {
    const gone = before.filter(({ name }) => plans.every((plan) => plan.name !== name));
    const changes = [...plans.map((plan) => ({ key: plan, plan })), ...gone.map((key) => ({ key, plan: undefined }))];
    scripts.push(rules.update(changes));
    before = plans;
  }
  const commands = scripts.flatMap((script) => script.steps).map(commandOf);
  if (options.backend === 'nftables') return nftablesStates('', 'signalbox', options, commands.join('\n'));
  const saves = options.families.map((family) => (family === 'IPv4' ? 'iptables-save' : 'ip6tables-save'));
  const script = [...commands, ...saves.map((save) => `${save}\necho ${SEPARATOR}`)].join('\n');
  const listed = inNamespace(script, '').split(`${SEPARATOR}\n`);
  return options.families.map((family, index) =>
    readIptables(listed[index] ?? '', { family, podSources: podSourcesOf(options, family) }),
  );
}

function commandOf({ program, args, input }: RulesStep): string {
  const encoded = Buffer.from(input).toString('base64');
  return `echo ${encoded} | base64 -d | ${[program, ...args].join(' ')} >/dev/null`;
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
  return compareAll(expectedStates(plans, options), statesAfter(plans, options, damage));
}

export function compareAll(expected: readonly KernelState[], actual: readonly KernelState[]): StateComparison {
  return mergeComparisons(
    expected.flatMap((state) => {
      const found = actual.find(({ family }) => family === state.family);
      return found === undefined ? [] : [compareStates(state, found)];
    }),
  );
}
