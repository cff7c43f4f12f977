/** Zones as streams of records (AXFR, RFC 5936; IXFR, RFC 1995), and such streams as messages. */
import type { DnsRecord } from '@signalbox/contracts';
import { MessageWriter, type ResponseHeader, type WriterOptions } from '../message-writer.ts';
import type { ZoneDelta } from './zone-delta.ts';

type SoaRecord = Extract<DnsRecord, { type: 'SOA' }>;

/** Where names can still be compressed, and a slow reader still gets its turn. */
const MESSAGE_BYTES = 16_384;

/** SOA, everything else, SOA again. */
export function wholeZoneRecords(soa: SoaRecord, others: readonly DnsRecord[]): DnsRecord[] {
  return [soa, ...others, soa];
}

/** One difference sequence between the new SOA and itself (RFC 1995 §4), whatever number of versions lie between. */
export function incrementalRecords(soa: SoaRecord, fromSerial: number, delta: ZoneDelta): DnsRecord[] {
  return [soa, { ...soa, serial: fromSerial }, ...delta.removed, soa, ...delta.added, soa];
}

/**
 * Messages that hold the records, each written when it is asked for. Records never change, so a zone that changes while it
 * is sent is still sent as it was.
 */
export function* transferMessages(
  records: readonly DnsRecord[],
  options: WriterOptions,
  header: Pick<ResponseHeader, 'id' | 'opcode' | 'isRecursionDesired'>,
): Generator<Uint8Array> {
  const finished = { ...header, isAuthoritative: true, code: 0 };
  const aWriter = () => new MessageWriter({ ...options, maxBytes: Math.min(options.maxBytes, MESSAGE_BYTES) });
  let writer = aWriter();
  let isEmpty = true;
  for (const record of records) {
    if (!writer.writeRecord('answer', record) && !isEmpty) {
      yield writer.finish(finished);
      writer = aWriter();
      // A record that is longer than all that gets a message of its own.
      if (!writer.writeRecord('answer', record)) writer = withRecord(record, options);
    }
    isEmpty = false;
  }
  yield writer.finish(finished);
}

function withRecord(record: DnsRecord, options: WriterOptions): MessageWriter {
  const writer = new MessageWriter(options);
  writer.writeRecord('answer', record);
  return writer;
}

/** All records in one message, for UDP; undefined when they do not fit. */
export function singleTransferMessage(
  records: readonly DnsRecord[],
  options: WriterOptions,
  header: Pick<ResponseHeader, 'id' | 'opcode' | 'isRecursionDesired'>,
): Uint8Array | undefined {
  const writer = new MessageWriter(options);
  if (!records.every((record) => writer.writeRecord('answer', record))) return undefined;
  return writer.finish({ ...header, isAuthoritative: true, code: 0 });
}
