/** A whole zone as a stream of messages (AXFR, RFC 5936), which also is the answer to IXFR without history (RFC 1995 §4). */
import { MessageWriter, type RecordGroup, type ResponseHeader, type WriterOptions } from '@signalbox/zones';

/** Where names can still be compressed, and a slow reader still gets its turn. */
const MESSAGE_BYTES = 16_384;

/**
 * SOA, everything else, SOA again. Groups never change, so a zone that changes while it is sent is still sent as it was
 * when it was asked for.
 */
export function* transferMessages(
  groups: readonly RecordGroup[],
  options: WriterOptions,
  header: Pick<ResponseHeader, 'id' | 'opcode' | 'isRecursionDesired'>,
): Generator<Uint8Array> {
  const finished = { ...header, isAuthoritative: true, code: 0 };
  const [soa = []] = groups;
  let writer = new MessageWriter({ ...options, maxBytes: MESSAGE_BYTES });
  let isEmpty = true;
  for (const record of [...groups, soa].flat()) {
    if (!writer.writeRecord('answer', record) && !isEmpty) {
      yield writer.finish(finished);
      writer = new MessageWriter({ ...options, maxBytes: MESSAGE_BYTES });
      writer.writeRecord('answer', record);
    }
    isEmpty = false;
  }
  yield writer.finish(finished);
}
