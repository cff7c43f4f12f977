/** What a driver of load balancers says of itself: a report per target group, an acknowledgement per cluster. */
import {
  ackSubject,
  encodeToken,
  type LbDriverAck,
  type TargetGroupKey,
  type TargetGroupReport,
  targetGroupReportSubject,
  targetGroupReportsOfClass,
} from '@signalbox/contracts';
import type { ServiceContext } from '../service.ts';
import { StatusWriter } from './status-writer.ts';

export interface GroupStatus {
  readonly key: TargetGroupKey;
  readonly report: Omit<TargetGroupReport, 'controller' | 'reportedAtMs'>;
}

export interface DriverStatus {
  /** All of the class. */
  readonly groups: readonly GroupStatus[];
  /** Up to which everything is programmed; 0: nothing yet. */
  readonly revision: number;
  /** Why there is no later one; empty: all is well. */
  readonly error: string;
  /** Services of which something is left out, by cluster. */
  readonly skippedServices: ReadonlyMap<string, number>;
}

interface DriverStatusesOptions {
  readonly loadBalancerClass: string;
  /** Unique among the drivers of the class. */
  readonly name: string;
  readonly intervalMs: number;
  /** Only the holder of the lease speaks for the class. */
  readonly mayReport: () => boolean;
}

const MAX_ERROR_LENGTH = 2_000;

export class DriverStatuses {
  readonly #options: DriverStatusesOptions;
  readonly #reports: StatusWriter;
  readonly #acks: StatusWriter;

  constructor(context: ServiceContext, options: DriverStatusesOptions) {
    const { intervalMs, mayReport } = options;
    this.#options = options;
    this.#reports = new StatusWriter(context, { intervalMs, mayWrite: mayReport });
    this.#acks = new StatusWriter(context, { intervalMs, mayWrite: mayReport });
  }

  /** To be called whenever the lease was got: others may have written meanwhile. */
  async restore(): Promise<void> {
    const { loadBalancerClass, name } = this.#options;
    await this.#reports.restore(targetGroupReportsOfClass(loadBalancerClass));
    await this.#acks.restore(`status.ack.lb.*.${encodeToken(name)}`);
  }

  note({ groups, revision, error, skippedServices }: DriverStatus, nowMs: number): void {
    const { loadBalancerClass, name } = this.#options;
    const told = new Set<string>();
    for (const { key, report } of groups) {
      const subject = targetGroupReportSubject({ ...key, loadBalancerClass });
      const { programmedAtMs, ...content } = report;
      const text = content.error.slice(0, MAX_ERROR_LENGTH);
      told.add(subject);
      this.#reports.set(
        subject,
        { controller: name, ...content, error: text },
        { programmedAtMs, reportedAtMs: nowMs },
      );
    }
    this.#reports.retain(told);
    this.#acknowledge(new Set(groups.map(({ key }) => key.cluster)), { revision, error, skippedServices }, nowMs);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#reports.run(signal), this.#acks.run(signal)]);
  }

  /** The lease was got or lost. */
  noteLease(): void {
    this.#reports.note();
    this.#acks.note();
  }

  #acknowledge(
    clusters: ReadonlySet<string>,
    { revision, error, skippedServices }: Omit<DriverStatus, 'groups'>,
    nowMs: number,
  ): void {
    const { loadBalancerClass, name } = this.#options;
    const told = new Set<string>();
    for (const cluster of clusters) {
      const ack: Omit<LbDriverAck, 'appliedAtMs'> = {
        kind: 'lb-driver',
        layer: 'lb',
        cluster,
        consumer: name,
        loadBalancerClass,
        revision,
        error: error.slice(0, MAX_ERROR_LENGTH),
        skippedServices: skippedServices.get(cluster) ?? 0,
      };
      const subject = ackSubject(ack);
      told.add(subject);
      this.#acks.set(subject, ack, { appliedAtMs: revision === 0 ? null : nowMs });
    }
    this.#acks.retain(told);
  }
}
