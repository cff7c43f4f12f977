/** `signalbox targets NAMESPACE/SERVICE`: each target with its state, why, since when, and what its load balancer says. */
import type { TargetGroupDetail, TargetGroupItem } from '@signalbox/contracts';
import { type Command, Option } from 'commander';
import { ageText } from '../age-text.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { type Column, formatTable, printable } from '../table.ts';
import { classPath, findTargetGroups } from '../target-groups.ts';

interface TargetsOptions extends ApiFlags {
  readonly cluster?: string;
  readonly output: 'table' | 'json';
}

export function addTargetsCommand(program: Command, io: CliIo): void {
  const command = program
    .command('targets <namespace/service>')
    .summary("a Service's targets, and why each is in or out")
    .description('What load balancers are asked to do for one Service: each target, why, and what they say of it.')
    .option('--cluster <name>', 'of this cluster; needed when several have a Service of this name')
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['table', 'json']).default('table'))
    .addHelpText('after', EXAMPLES);
  withApi(command).action(async (place: string, options: TargetsOptions) => {
    const client = openClient(options);
    const groups = await findTargetGroups(client, place, options.cluster);
    const details = groups.map((group) => client.get<TargetGroupDetail>(pathOf(group)));
    const all = await Promise.all(details);
    const texts = all.map((group) => groupText(group, io.stdout.columns));
    io.stdout.write(options.output === 'json' ? `${JSON.stringify(all, undefined, 2)}\n` : texts.join('\n'));
  });
}

function pathOf({ loadBalancerClass, id }: TargetGroupItem): string {
  return `${classPath(loadBalancerClass)}/target-groups/${encodeURIComponent(id)}`;
}

function groupText(group: TargetGroupDetail, width: number | undefined): string {
  const head = `${printable(group.id)}  ${group.loadBalancerClass === '' ? '' : `class ${group.loadBalancerClass}, `}`;
  const lines = [`${head}index ${group.index}, ${programmedText(group)}`];
  if (group.held !== undefined) {
    const until = new Date(group.held.untilMs).toISOString();
    lines.push(`${group.held.targets} removals wait for "signalbox lb confirm" until ${until}`);
  }
  if (group.targets.length === 0) lines.push('No targets.');
  else lines.push(formatTable(columnsAt(Date.now()), group.targets, width));
  return `${lines.join('\n')}\n`;
}

function programmedText({ report }: TargetGroupDetail): string {
  if (report === null) return 'not reported by any load balancer';
  if (report.error !== '') return `failing at ${printable(report.controller)}: ${printable(report.error)}`;
  if (report.isCurrent) return `programmed by ${printable(report.controller)}`;
  return `${printable(report.controller)} is at ${report.index}`;
}

type Target = TargetGroupDetail['targets'][number];

function columnsAt(nowMs: number): readonly Column<Target>[] {
  return [
    { title: 'target', value: ({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}` },
    { title: 'state', value: ({ state }) => state },
    { title: 'reason', value: ({ reason }) => reason },
    { title: 'age', value: ({ sinceMs }) => ageText(sinceMs, nowMs) },
    { title: 'health', value: ({ health }) => health?.health ?? '-' },
    { title: 'at', value: ({ pod, node }) => pod ?? node ?? '-' },
  ];
}

const EXAMPLES = `
Examples:
  signalbox targets shop/storefront-public
  signalbox targets shop/storefront-public --cluster shop
  signalbox targets shop/storefront-public -o json | jq '.[].targets[].why'`;
