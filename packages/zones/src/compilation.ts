/** The state of one compilation, which its steps share. */
import type { DnsRecord, ServiceView, Skipped } from '@signalbox/contracts';

export interface Compilation {
  readonly view: ServiceView;
  /** TTL where nothing of the Service says one. */
  readonly ttlSeconds: number;
  readonly serviceTtlSeconds: number | undefined;
  /** Absolute name of the Service. */
  readonly serviceName: string;
  readonly records: DnsRecord[];
  readonly skipped: Skipped[];
}

type WithoutTtl<Record> = Record extends DnsRecord ? Omit<Record, 'ttlSeconds'> : never;

export function add({ records, ttlSeconds, serviceTtlSeconds }: Compilation, record: WithoutTtl<DnsRecord>): void {
  records.push({ ...record, ttlSeconds: serviceTtlSeconds ?? ttlSeconds });
}
