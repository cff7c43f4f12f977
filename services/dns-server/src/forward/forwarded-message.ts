/** What an upstream said, as the message for one client. */
import { HEADER_BYTES, type WriterOptions } from '@signalbox/zones';
import { agedRecords, type CachedResponse } from './response-cache.ts';

interface Asker {
  readonly id: number;
  readonly dnssecOk: boolean;
}

const QR_RD = 0x81;
const TC = 0x02;
const RA = 0x80;
const SERVFAIL = 2;
const OPT_BYTES = 11;

/** Without a response: SERVFAIL. What is too long for the client is left out altogether, with TC: it comes again over TCP. */
export function forwardedMessage(
  response: CachedResponse | undefined,
  asker: Asker,
  options: WriterOptions,
): Uint8Array {
  const question = options.question ?? new Uint8Array();
  const records =
    response === undefined ? new Uint8Array() : agedRecords(response, HEADER_BYTES + question.length, Date.now());
  const optBytes = options.udpPayloadSize === undefined ? 0 : OPT_BYTES;
  const isTruncated = HEADER_BYTES + question.length + records.length + optBytes > options.maxBytes;
  const body = isTruncated ? new Uint8Array() : records;
  const message = new Uint8Array(HEADER_BYTES + question.length + body.length + optBytes);
  const view = new DataView(message.buffer);
  view.setUint16(0, asker.id);
  view.setUint8(2, QR_RD | (isTruncated ? TC : 0));
  view.setUint8(3, RA | codeOf(response));
  view.setUint16(4, 1);
  if (body.length > 0) message.set(response?.message.subarray(6, HEADER_BYTES) ?? [], 6);
  message.set(question, HEADER_BYTES);
  message.set(body, HEADER_BYTES + question.length);
  if (options.udpPayloadSize !== undefined) {
    view.setUint16(10, view.getUint16(10) + 1);
    const opt = [
      0,
      0,
      41,
      options.udpPayloadSize >> 8,
      options.udpPayloadSize & 255,
      0,
      0,
      asker.dnssecOk ? 0x80 : 0,
      0,
      0,
      0,
    ];
    message.set(opt, message.length - OPT_BYTES);
  }
  return message;
}

function codeOf(response: CachedResponse | undefined): number {
  return response === undefined ? SERVFAIL : (response.message[3] ?? 0) & 0xf;
}
