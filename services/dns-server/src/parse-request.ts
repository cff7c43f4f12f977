/** Packet → what is asked. Takes any bytes, throws nothing (RFC 1035 §4, RFC 6891). */
import { HEADER_BYTES } from '@signalbox/zones';

export interface RequestHeader {
  readonly id: number;
  readonly opcode: number;
  readonly isRecursionDesired: boolean;
}

export interface Request {
  readonly type: 'request';
  readonly header: RequestHeader;
  /** The question section as sent. */
  readonly question: Uint8Array;
  /** Absolute name in the case it was sent in; undefined when it holds octets that no served name can hold. */
  readonly spelling: string | undefined;
  /** Absolute, lower case; octets that need it as `\DDD`. */
  readonly name: string;
  readonly queryType: number;
  readonly queryClass: number;
  readonly edns: Edns | undefined;
  /** It carries a TSIG record, which is yet to be checked. */
  readonly isSigned: boolean;
}

interface Edns {
  readonly version: number;
  readonly udpPayloadSize: number;
  /** DO (RFC 3225). */
  readonly dnssecOk: boolean;
}

type ParsedPacket =
  | Request
  /** Not a question at all; an answer to it could be the start of a loop. */
  | { readonly type: 'drop' }
  | { readonly type: 'error'; readonly header: RequestHeader; readonly code: number };

const FORMERR = 1;
const NOTIMP = 4;
const MAX_NAME_BYTES = 255;
const TYPE_OPT = 41;
const TYPE_TSIG = 250;

export function parseRequest(packet: Uint8Array): ParsedPacket {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (packet.length < HEADER_BYTES || (view.getUint16(2) & 0x8000) !== 0) return { type: 'drop' };
  const flags = view.getUint16(2);
  const header = {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 0xf,
    isRecursionDesired: (flags & 0x0100) !== 0,
  };
  if (header.opcode !== 0) return { type: 'error', header, code: NOTIMP };
  const formatError = { type: 'error', header, code: FORMERR } as const;
  if (view.getUint16(4) !== 1) return formatError;
  const question = readQuestion(packet, view);
  if (question === undefined) return formatError;
  const extras = readExtras(view, HEADER_BYTES + question.question.length);
  if (extras === undefined || extras.options.length > 1) return formatError;
  return { type: 'request', header, ...question, edns: extras.options[0], isSigned: extras.isSigned };
}

type QuestionSection = Pick<Request, 'question' | 'spelling' | 'name' | 'queryType' | 'queryClass'>;

function readQuestion(packet: Uint8Array, view: DataView): QuestionSection | undefined {
  const labels = readLabels(packet);
  if (labels === undefined || labels.end + 4 > packet.length) return undefined;
  const isPlain = labels.texts.every((text) => /^[\w*/-]+$/.test(text));
  return {
    question: packet.subarray(HEADER_BYTES, labels.end + 4),
    spelling: isPlain ? `${labels.texts.join('.')}.` : undefined,
    name: isPlain ? `${labels.texts.join('.').toLowerCase()}.` : `${labels.texts.map(escapedLabel).join('.')}.`,
    queryType: view.getUint16(labels.end),
    queryClass: view.getUint16(labels.end + 2),
  };
}

/** Labels one character per octet, and where they end. A question has nothing before it that a pointer could point to. */
function readLabels(packet: Uint8Array): { texts: string[]; end: number } | undefined {
  const texts: string[] = [];
  for (let at = HEADER_BYTES; at < packet.length && at < HEADER_BYTES + MAX_NAME_BYTES; ) {
    const length = packet[at] ?? 0;
    if (length === 0) return { texts, end: at + 1 };
    if (length > 63 || at + 1 + length >= packet.length) return undefined;
    texts.push(String.fromCharCode(...packet.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return undefined;
}

/** Lower case in ASCII only (RFC 4343); a dot inside a label is no separator, so it is escaped like any odd octet. */
function escapedLabel(text: string): string {
  return text.replaceAll(/[A-Z]/g, (char) => char.toLowerCase()).replaceAll(/[^\w*/-]/g, escapedOctet);
}

function escapedOctet(char: string): string {
  return `\\${char.charCodeAt(0).toString().padStart(3, '0')}`;
}

interface Extras {
  readonly options: readonly Edns[];
  readonly isSigned: boolean;
}

/** The OPT and TSIG records among what follows the question; undefined when the packet is cut short. */
function readExtras(view: DataView, start: number): Extras | undefined {
  const options: Edns[] = [];
  let isSigned = false;
  const additionalFrom = view.getUint16(6) + view.getUint16(8);
  const count = additionalFrom + view.getUint16(10);
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const fixed = skipName(view, at);
    if (fixed === undefined || fixed + 10 > view.byteLength) return undefined;
    if (view.getUint16(fixed) === TYPE_OPT) {
      // RFC 6891 §6.1.1: only in the additional section, and at the root.
      if (index < additionalFrom || fixed !== at + 1) return undefined;
      options.push({
        udpPayloadSize: view.getUint16(fixed + 2),
        version: view.getUint8(fixed + 5),
        dnssecOk: (view.getUint8(fixed + 6) & 0x80) !== 0,
      });
    }
    isSigned ||= view.getUint16(fixed) === TYPE_TSIG;
    at = fixed + 10 + view.getUint16(fixed + 8);
    if (at > view.byteLength) return undefined;
  }
  return { options, isSigned };
}

/** Where a name ends. What it says is not needed, so pointers are not followed and cannot loop. */
function skipName(view: DataView, start: number): number | undefined {
  for (let at = start; at < view.byteLength; ) {
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}
