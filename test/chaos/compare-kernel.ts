/** The rules in the kernel of the agent's network namespace, by what they mean. */
import { spawnSync } from 'node:child_process';
import {
  compareStates,
  expectedStates,
  podSourcesOf,
  type RenderOptions,
  readNftables,
  rulesNodeOf,
} from '@signalbox/rules';
import type { ExpectedCluster } from '../harness/oracle.ts';
import { NODE } from './cluster.ts';
import type { Difference } from './differences.ts';
import { CLUSTER_CIDRS, NODE_PORT_ADDRESSES } from './plane.ts';

export function compareKernel(namespace: string, { nodes, services }: ExpectedCluster): Difference[] {
  const node = nodes.find(({ metadata }) => metadata.name === NODE);
  if (node === undefined) throw new Error(`the agent's node ${NODE} is not in the cluster`);
  const options: RenderOptions = {
    node: rulesNodeOf(node),
    backend: 'nftables',
    families: ['IPv4', 'IPv6'],
    clusterCIDRs: [...CLUSTER_CIDRS],
    nodePortAddresses: [...NODE_PORT_ADDRESSES],
  };
  const plans = services.flatMap(({ proxy }) => proxy.document ?? []);
  return expectedStates(plans, options).flatMap((expected) => {
    const { family } = expected;
    const listed = listTable(namespace, family === 'IPv4' ? 'ip' : 'ip6');
    const actual = readNftables(listed, 'signalbox', { family, podSources: podSourcesOf(options, family) });
    return compareStates(expected, actual).differences.map(({ at, service, what, expected: wanted, actual: is }) => ({
      where: `kernel ${family} ${service} ${at} ${what}`,
      expected: wanted ?? '',
      found: is ?? '',
    }));
  });
}

function listTable(namespace: string, family: 'ip' | 'ip6'): string {
  const args = ['netns', 'exec', namespace, 'nft', '-j', 'list', 'table', family, 'signalbox'];
  const { status, stdout } = spawnSync('ip', args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  return status === 0 ? stdout : '';
}
