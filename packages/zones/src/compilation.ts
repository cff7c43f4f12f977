/** The state of one compilation, which its steps share. */
import type { DnsRecord, ServiceView, Skipped } from '@signalbox/contracts';

export interface Compilation {
  readonly view: ServiceView;
  readonly ttlSeconds: number;
  /** Absolute name of the Service. */
  readonly serviceName: string;
  readonly records: DnsRecord[];
  readonly skipped: Skipped[];
}

type WithoutTtl<Record> = Record extends DnsRecord ? Omit<Record, 'ttlSeconds'> : never;

export function add({ records, ttlSeconds }: Compilation, record: WithoutTtl<DnsRecord>): void {
  records.push({ ...record, ttlSeconds });
}
