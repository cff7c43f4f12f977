/** What the log says was delivered by an earlier life of this driver, or by the one that held the lease before. */
import {
  parseTargetGroupReportSubject,
  targetGroupReportSchema,
  targetGroupReportsOfClass,
} from '@signalbox/contracts';
import type { ServiceContext } from '@signalbox/kit';
import type { DeliveryState } from './deliveries.ts';

/** Reports that cannot be read are left out: their groups are sent once more. */
export async function readEarlierReports(
  { log, logger }: ServiceContext,
  loadBalancerClass: string,
): Promise<DeliveryState[]> {
  const states: DeliveryState[] = [];
  const filter = targetGroupReportsOfClass(loadBalancerClass);
  for await (const batch of log.follow('status', { from: 'snapshot', filter })) {
    for (const { subject, data } of batch.messages) {
      if (data === null) continue;
      const report = targetGroupReportSchema.safeParse(JSON.parse(data));
      if (!report.success) {
        logger.warn({ subject }, 'report skipped');
        continue;
      }
      const { index, revision, programmedAtMs: deliveredAtMs } = report.data;
      states.push({ key: parseTargetGroupReportSubject(subject), index, revision, deliveredAtMs, error: '' });
    }
    if (batch.isCaughtUp) break;
  }
  return states;
}
