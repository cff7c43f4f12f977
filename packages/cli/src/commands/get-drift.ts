/** `signalbox get drift [node]`: nodes with how far their kernels are off, or one node's differences. */
import type { DriftDifference, NodeDrift, NodeDriftSummary } from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import type { ApiClient } from '../api-client.ts';
import { type Column, formatTable } from '../table.ts';

export const DRIFT_COLUMNS: readonly Column<NodeDriftSummary>[] = [
  { title: 'cluster', value: (row) => row.cluster },
  { title: 'node', value: (row) => row.node },
  { title: 'backend', value: (row) => row.backend },
  { title: 'rules of', value: (row) => row.owner },
  { title: 'added', value: (row) => row.totals.added },
  { title: 'missing', value: (row) => row.totals.missing },
  { title: 'changed', value: (row) => row.totals.changed },
  { title: 'repaired', value: (row) => (row.repaired ? 'yes' : '-') },
  { title: 'revision', value: (row) => row.revision },
  { title: 'checked', value: (row) => row.checkedAt },
  { title: 'error', value: (row) => row.error || '-' },
];

const DIFFERENCE_COLUMNS: readonly Column<DriftDifference>[] = [
  { title: 'service', value: (row) => row.service || '-' },
  { title: 'change', value: (row) => row.what },
  { title: 'in', value: (row) => row.where },
  { title: 'at', value: (row) => row.at },
  { title: 'expected', value: (row) => row.expected || '-' },
  { title: 'kernel has', value: (row) => row.actual || '-' },
];

/** The cluster may be left away where only one has a node of this name. */
export async function fetchNodeDrift(client: ApiClient, node: string, cluster?: string): Promise<NodeDrift> {
  const place = cluster ?? (await onlyClusterWith(client, node));
  return await client.get<NodeDrift>(
    `/v1/clusters/${encodeURIComponent(place)}/nodes/${encodeURIComponent(node)}/drift`,
  );
}

export function formatNodeDrift(drift: NodeDrift, width?: number): string {
  const { totals, differences } = drift;
  const found = totals.added + totals.missing + totals.changed;
  const lines = [formatTable(DRIFT_COLUMNS, [drift], width)];
  if (differences.length > 0) lines.push('', formatTable(DIFFERENCE_COLUMNS, differences, width));
  if (found > differences.length) lines.push('', `${found - differences.length} more differences are not listed.`);
  return `${lines.join('\n')}\n`;
}

async function onlyClusterWith(client: ApiClient, node: string): Promise<string> {
  const { items } = await client.list<NodeDriftSummary>('/v1/drift', {}, 1_000_000);
  const clusters = items.filter((item) => item.node === node).map((item) => item.cluster);
  const [first] = clusters;
  if (first === undefined) throw new SignalboxError('not_found', `no node ${node} has reported on its kernel`);
  if (clusters.length > 1) {
    throw new SignalboxError('invalid', `${node} is in ${clusters.join(', ')}: choose one with --cluster`);
  }
  return first;
}
