import type { LoadBalancerSummary } from '@signalbox/contracts';
import type { Column } from '../table.ts';

export const LOAD_BALANCER_COLUMNS: readonly Column<LoadBalancerSummary>[] = [
  { title: 'class', value: ({ loadBalancerClass }) => loadBalancerClass || '_' },
  { title: 'groups', value: ({ groups }) => groups },
  { title: 'done', value: ({ programmed }) => programmed },
  { title: 'failing', value: ({ failing }) => failing },
  { title: 'active', value: ({ targets }) => targets.active },
  { title: 'draining', value: ({ targets }) => targets.draining },
  { title: 'pending', value: ({ targets }) => targets.pending },
  { title: 'controller', value: controllerText },
];

function controllerText({ lease, isPaused }: LoadBalancerSummary): string {
  const paused = isPaused ? ' (paused)' : '';
  if (lease === null || lease.state === 'free') return `none${paused}`;
  return `${lease.holder}${lease.state === 'expired' ? ` silent since ${lease.renewedAt.slice(0, 19)}Z` : ''}${paused}`;
}
