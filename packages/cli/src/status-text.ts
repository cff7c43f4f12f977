/** The status of the plane as text: a table for each part, cut to a few rows, worst first where that is known. */
import type { Cluster, Convergence, LayerProgress, LoadBalancerSummary, NodeDriftSummary } from '@signalbox/contracts';
import { loadBalancerColumns } from './commands/load-balancer-columns.ts';
import { BEHIND_COLUMNS, consumersBehind, shortened } from './progress-text.ts';
import { sourceTexts } from './source-text.ts';
import { type Column, formatTable } from './table.ts';

export interface PlaneStatus {
  readonly convergence: Convergence;
  readonly clusters: readonly Cluster[];
  /** Null: nothing is decided yet. */
  readonly loadBalancers: readonly LoadBalancerSummary[] | null;
  /** What the last check of each node's kernel found; null: nothing is derived yet. */
  readonly drift: readonly NodeDriftSummary[] | null;
}

/** Of each table, so that all fit on one screen. */
const MAX_ROWS = 8;
/** Of a cluster: every layer derives it, and all its kinds are being watched. */
const WELL = 'watching';

export function formatStatus(
  { convergence, clusters, loadBalancers, drift }: PlaneStatus,
  { columns: width }: { readonly columns?: number },
): string {
  const section = <Row>(columns: readonly Column<Row>[], rows: readonly Row[], none: string): string => {
    if (rows.length === 0) return none;
    const more = rows.length > MAX_ROWS ? `\n… and ${rows.length - MAX_ROWS} more` : '';
    return `${formatTable(columns, rows.slice(0, MAX_ROWS), width)}${more}`;
  };
  const behind = consumersBehind(convergence.layers);
  return [
    headText(convergence),
    section(CLUSTER_COLUMNS, [...clusters].sort(troubledFirst), 'No clusters.'),
    section(LAYER_COLUMNS, convergence.layers, ''),
    ...(behind.length === 0 ? [] : [section(BEHIND_COLUMNS, behind, '')]),
    loadBalancers === null
      ? 'Load balancers: nothing is decided yet.'
      : section(loadBalancerColumns(Date.now()), loadBalancers.map(withShortNames), 'No load balancers.'),
    drift === null
      ? 'Drift: nothing is derived yet.'
      : section(DRIFT_COLUMNS, drift.filter(hasDrift), driftFreeText(drift)),
  ].join('\n\n');
}

function headText({ head, layers }: Convergence): string {
  const derived = Math.min(...layers.map(({ revision }) => revision));
  const applied = Math.min(...layers.map(({ convergedRevision }) => convergedRevision));
  return `revision ${head}, derived by all layers: ${derived}, applied by all consumers: ${applied}`;
}

function troubledFirst(a: Cluster, b: Cluster): number {
  return Number(sourceText(a) === WELL) - Number(sourceText(b) === WELL);
}

const CLUSTER_COLUMNS: readonly Column<Cluster>[] = [
  { title: 'cluster', value: ({ name }) => shortened(name, 24) },
  { title: 'synced', value: ({ isSynced }) => (isSynced ? 'yes' : 'no') },
  { title: 'services', value: ({ counts }) => counts.services },
  { title: 'nodes', value: ({ counts }) => counts.nodes },
  { title: 'status', value: sourceText },
];

function sourceText(cluster: Cluster): string {
  const { missingLayers } = cluster;
  const missing = missingLayers.length === 0 ? [] : [`not in ${missingLayers.join(', ')}`];
  return [...missing, ...sourceTexts(cluster)].join('; ') || WELL;
}

const LAYER_COLUMNS: readonly Column<LayerProgress>[] = [
  { title: 'layer', value: ({ layer }) => layer },
  { title: 'derived', value: ({ revision }) => revision || 'nothing' },
  { title: 'applied', value: ({ consumers: { applied, total } }) => (total === 0 ? '-' : `${applied}/${total}`) },
  { title: 'by all', value: ({ consumers, convergedRevision }) => (consumers.total === 0 ? '-' : convergedRevision) },
  { title: 'failing', value: ({ consumers }) => consumers.failing },
  { title: 'skipped', value: ({ skippedServices }) => skippedServices },
  { title: 'slowest', value: slowestText },
];

function slowestText({ consumers, behind }: LayerProgress): string {
  if (consumers.total === 0) return 'no consumers';
  const slowest = behind.reduce((worst, one) => (worst && worst.behindBy >= one.behindBy ? worst : one), behind[0]);
  return slowest === undefined ? '-' : `${shortened(slowest.consumer, 20)}, ${slowest.behindBy} behind`;
}

function withShortNames(balancer: LoadBalancerSummary): LoadBalancerSummary {
  const { loadBalancerClass, lease } = balancer;
  return {
    ...balancer,
    loadBalancerClass: shortened(loadBalancerClass, 18),
    lease: lease && { ...lease, holder: shortened(lease.holder, 12) },
  };
}

const DRIFT_COLUMNS: readonly Column<NodeDriftSummary>[] = [
  { title: 'drift on node', value: ({ node }) => shortened(node, 24) },
  { title: 'cluster', value: ({ cluster }) => shortened(cluster, 16) },
  { title: 'added', value: ({ totals }) => totals.added },
  { title: 'missing', value: ({ totals }) => totals.missing },
  { title: 'changed', value: ({ totals }) => totals.changed },
  { title: 'repaired', value: ({ repaired }) => (repaired ? 'yes' : '-') },
  { title: 'error', value: ({ error }) => error || '-' },
];

function hasDrift({ totals, error }: NodeDriftSummary): boolean {
  return totals.added + totals.missing + totals.changed > 0 || error !== '';
}

function driftFreeText({ length }: readonly NodeDriftSummary[]): string {
  return length === 0 ? 'No node has reported on its kernel.' : `No drift on ${length} node${length === 1 ? '' : 's'}.`;
}
