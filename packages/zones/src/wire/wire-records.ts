/** Where the records of a message are. Takes any bytes, throws nothing. */

export interface WireRecord {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly start: number;
  readonly type: number;
  readonly ttlAt: number;
  readonly dataAt: number;
  readonly end: number;
}

const HEADER_BYTES = 12;
const SECTIONS = ['answer', 'authority', 'additional'] as const;

/** Every record after the questions, in order; undefined when the message is cut short, or holds more than it counts. */
export function wireRecords(message: Uint8Array): WireRecord[] | undefined {
  let at = message.length < HEADER_BYTES ? undefined : skipQuestions(message);
  if (at === undefined) return undefined;
  const records: WireRecord[] = [];
  for (const [index, section] of SECTIONS.entries()) {
    for (let left = uint16(message, 6 + index * 2); left > 0; left -= 1) {
      const record = recordAt(message, at, section);
      if (record === undefined) return undefined;
      records.push(record);
      at = record.end;
    }
  }
  return at === message.length ? records : undefined;
}

function skipQuestions(message: Uint8Array): number | undefined {
  let at = HEADER_BYTES;
  for (let left = uint16(message, 4); left > 0; left -= 1) {
    const nameEnd = skipWireName(message, at);
    if (nameEnd === undefined) return undefined;
    at = nameEnd + 4;
  }
  return at;
}

function recordAt(message: Uint8Array, start: number, section: WireRecord['section']): WireRecord | undefined {
  const fixed = skipWireName(message, start);
  if (fixed === undefined || fixed + 10 > message.length) return undefined;
  const end = fixed + 10 + uint16(message, fixed + 8);
  if (end > message.length) return undefined;
  return { section, start, type: uint16(message, fixed), ttlAt: fixed + 4, dataAt: fixed + 10, end };
}

/** Where a name ends. What it says is not needed, so pointers are not followed and cannot loop. */
export function skipWireName(message: Uint8Array, start: number): number | undefined {
  for (let at = start; at < message.length; ) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= message.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

export function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
