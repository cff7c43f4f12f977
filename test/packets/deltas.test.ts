/** Updates in the hands of the real programs: the kernel lists the same rules as after loading them at once. */
import { spawnSync } from 'node:child_process';
import { NodeRules, type RenderOptions, type RulesScript } from '@signalbox/rules';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aPlan } from './a-plan.ts';
import { changesBetween, somePlans } from './plan-arbitraries.ts';
import { recordedPlans } from './recorded-cluster.ts';
import { describeWithPrograms } from './requirements.ts';

type Backend = 'nftables' | 'iptables';

const LIST: Readonly<Record<Backend, string>> = {
  nftables: 'nft list ruleset',
  iptables: 'for family in ip ip6; do for table in filter nat; do "$family"tables-save -t $table; done; done',
};

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = backend === 'nftables' ? ['nft'] : ['iptables-restore', 'ip6tables-restore', 'iptables-save', 'awk'];
  describeWithPrograms(`updates of ${backend} rules`, ['unshare', ...programs], () => {
    test('lead from any plans to the rules of any others', { timeout: 120_000 }, () => {
      fc.assert(
        fc.property(somePlans, somePlans, (before, after) => {
          const rules = nodeRules(backend);
          const scripts = [rules.reset(before), rules.update(changesBetween(before, after)), rules.update([])];
          expect(listAfter(backend, scripts)).toEqual(listAfter(backend, [nodeRules(backend).reset(after)]));
        }),
        { numRuns: 15 },
      );
    });

    test('lead from nothing to the recorded cluster, and back', () => {
      const rules = nodeRules(backend);
      const plans = recordedPlans();
      const scripts = [rules.full(), rules.update(changesBetween([], plans))];
      expect(listAfter(backend, scripts)).toEqual(listAfter(backend, [nodeRules(backend).reset(plans)]));
      const back = [rules.update(changesBetween(plans, [])), rules.update([])];
      expect(listAfter(backend, [...scripts, ...back])).toEqual(listAfter(backend, [nodeRules(backend).full()]));
    });

    test('put everything in place of what another run left', () => {
      const left = nodeRules(backend).reset(recordedPlans());
      const now = nodeRules(backend).reset([aPlan()]);
      expect(listAfter(backend, [left, now])).toEqual(listAfter(backend, [now]));
      expect(listAfter(backend, [now, now])).toEqual(listAfter(backend, [now]));
    });
  });
}

function nodeRules(backend: Backend): NodeRules {
  const options: RenderOptions = {
    node: { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] },
    backend,
    families: ['IPv4', 'IPv6'],
    clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'],
  };
  return new NodeRules(options);
}

/** One namespace runs all steps, then lists. */
function listAfter(backend: Backend, scripts: readonly RulesScript[]): string[] {
  const steps = scripts.flatMap((script) => script.steps);
  const commands = steps.map(({ program, args, input }) => {
    const text = Buffer.from(input).toString('base64');
    return `base64 -d <<'END' | ${[program, ...args].join(' ')}\n${text}\nEND`;
  });
  const input = ['set -e', ...commands, LIST[backend]].join('\n');
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'bash', '-o', 'pipefail'], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`ended with ${status}: ${stderr.slice(0, 2000)}\n${describeSteps(steps)}`);
  return backend === 'nftables' ? nftLines(stdout) : iptablesLines(stdout);
}

function describeSteps(steps: RulesScript['steps']): string {
  return steps.map(({ input }) => input.slice(-3_000)).join('\n----\n');
}

/** Elements and chains of a table are in no order of their own; rules of a chain are. */
function nftLines(listed: string): string[] {
  const blocks = listed.split(/\n\n?(?=\t(?:chain|map|set) |table )/).map((block) => {
    const [head = '', elements] = block.split('elements = {');
    if (elements === undefined) return head.replace(/\s+/g, ' ');
    return `${head.replace(/\s+/g, ' ')}${elements
      .replace(/\s+/g, ' ')
      .split(', ')
      .map((one) => one.replace(/[ }]+$/, '').trim())
      .sort()
      .join(',')}`;
  });
  return blocks.map((block) => block.replace(/[ }]+$/, '')).sort();
}

/** Only in chains that belong to one service the order of rules counts. */
function iptablesLines(saved: string): string[] {
  let section = '';
  const counts = new Map<string, number>();
  const lines = saved.split('\n').flatMap((line) => {
    if (line.startsWith('# Generated')) section += '4';
    if (line.startsWith('*')) section = `${section.length} ${line}`;
    const chain = /^-A (KUBE-(?:SVC|SVL|SEP|EXT|FW)-\S+)/.exec(line)?.[1];
    if (chain === undefined) return line.startsWith('#') ? [] : [`${section} ${line.replace(/\[\d+:\d+\]/, '')}`];
    const place = `${section} ${chain}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
    return [`${section} ${counts.get(place)} ${line}`];
  });
  return lines.sort();
}
