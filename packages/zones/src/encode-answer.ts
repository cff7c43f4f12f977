/** Answer → response message. */
import type { Answer, AnswerCode } from './answer-question.ts';
import { MessageWriter, type ResponseHeader, type WriterOptions } from './message-writer.ts';
import type { RecordGroup } from './records.ts';
import { type MessageRecord, type ReadMessage, responseCode } from './transfer/read-message.ts';

const RESPONSE_CODES: Readonly<Record<AnswerCode, number>> = {
  NOERROR: 0,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  REFUSED: 5,
};

/**
 * What does not fit is cut off between records, and TC says so: clients that cannot come again over TCP still get some
 * addresses. Additional records may be left out without TC, but only by the group (RFC 2181 §9).
 */
export function encodeAnswer(
  answer: Answer,
  options: WriterOptions,
  header: Pick<ResponseHeader, 'id' | 'opcode' | 'isRecursionDesired'>,
): Uint8Array {
  const writer = new MessageWriter(options);
  const isWhole = writeAll(writer, 'answer', answer.answers) && writeAll(writer, 'authority', answer.authority);
  if (isWhole) answer.additional.every((group) => writer.writeGroup('additional', group));
  else writer.markTruncated();
  // AA is of the first owner name: a referral alone is another server's to answer (RFC 1035 §4.1.1).
  const isOurs = answer.isReferral !== true || answer.answers.length > 0;
  const isAuthoritative = isOurs && (answer.code === 'NOERROR' || answer.code === 'NXDOMAIN');
  return writer.finish({ ...header, isAuthoritative, code: RESPONSE_CODES[answer.code] });
}

/**
 * An alias out of the zones, and what another server says of where it leads: its code is that of the last name (RFC 6604
 * §3), and only the first one is ours with authority; without an alias nothing is. Whatever does not fit: TC.
 */
export function encodeFollowedAnswer(
  { answers }: Answer,
  followed: ReadMessage,
  options: WriterOptions,
  header: Pick<ResponseHeader, 'id' | 'opcode' | 'isRecursionDesired'>,
): Uint8Array {
  const writer = new MessageWriter(options);
  const isWhole =
    writeAll(writer, 'answer', answers) &&
    writeForeign(writer, 'answer', followed.answer) &&
    writeForeign(writer, 'authority', followed.authority);
  if (!isWhole) writer.markTruncated();
  const code = responseCode(followed);
  return writer.finish({ ...header, isAuthoritative: answers.length > 0, isRecursionAvailable: true, code });
}

function writeForeign(
  writer: MessageWriter,
  section: 'answer' | 'authority',
  records: readonly MessageRecord[],
): boolean {
  return records.every((record) => writer.writeForeignRecord(section, record));
}

function writeAll(writer: MessageWriter, section: 'answer' | 'authority', groups: readonly RecordGroup[]): boolean {
  return groups.every((group) => group.every((record) => writer.writeRecord(section, record)));
}
