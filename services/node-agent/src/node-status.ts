/** What the control plane keeps of an agent: its acknowledgement, and its last report on the kernel. */
import { ackSubject, driftSubject } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';

/** A node without rules of ours says nothing of itself. */
export async function removeNodeStatus(log: EventLog, cluster: string, node: string): Promise<void> {
  await log.appendAll('status', [
    { subject: ackSubject({ layer: 'proxy', cluster, consumer: node }), data: null },
    { subject: driftSubject(cluster, node), data: null },
  ]);
}
