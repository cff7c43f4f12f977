import type { LoadBalancerSummary } from '@signalbox/contracts';
import { ageText } from '../age-text.ts';
import type { Column } from '../table.ts';

export function loadBalancerColumns(nowMs: number): readonly Column<LoadBalancerSummary>[] {
  return [
    { title: 'class', value: ({ loadBalancerClass }) => loadBalancerClass || '_' },
    { title: 'controller', value: ({ lease }) => lease?.holder || 'none' },
    { title: 'lease', value: ({ lease }) => leaseText(lease, nowMs) },
    { title: 'groups', value: ({ groups }) => groups },
    { title: 'done', value: ({ programmed }) => programmed },
    { title: 'failing', value: ({ failing }) => failing },
    { title: 'active', value: ({ targets }) => targets.active },
    { title: 'paused', value: ({ isPaused }) => (isPaused ? 'yes' : '-') },
  ];
}

/** Silent: it has not renewed the lease in time, so nobody programs the load balancer. */
function leaseText(lease: LoadBalancerSummary['lease'], nowMs: number): string {
  if (lease === null || lease.state === 'free') return '-';
  return lease.state === 'held' ? 'held' : `silent ${ageText(Date.parse(lease.renewedAt), nowMs)}`;
}
