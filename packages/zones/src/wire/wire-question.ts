/**
 * The question of a packet, read without making anything: offsets, a hash, and what EDNS offers.
 *
 * One object is filled again and again. It takes only the plain form that nearly every client sends (RFC 1035 §4.1.2: one
 * question of class IN, then nothing or one OPT record of version 0, RFC 6891); what has another form, or a fault, has to
 * be read by a parser that can say what is wrong with it.
 */

const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
const CLASS_IN = 1;
const TYPE_OPT = 41;
/** QR, opcode and TC: none is set in a plain question. */
const ODD_FLAGS = 0xfa;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class WireQuestion {
  /** Just after the root label; type and class follow. */
  nameEnd = 0;
  queryType = 0;
  /** Over the name in lower case and the type: 32 bits, signed. */
  hash = 0;
  hasEdns = false;
  /** 0 without EDNS. */
  offeredBytes = 0;
  /** The DO bit, where an OPT record has it (RFC 3225). */
  dnssecOk = 0;

  /** The first octets, `length` of them. False: not of the plain form; the fields then mean nothing. */
  read(packet: Uint8Array, length = packet.length): boolean {
    if (length < HEADER_BYTES + 5 || ((packet[2] ?? 0) & ODD_FLAGS) !== 0) return false;
    // QDCOUNT 1, ANCOUNT and NSCOUNT 0, ARCOUNT 0 or 1.
    if (packet[4] !== 0 || packet[5] !== 1 || packet[6] !== 0 || packet[7] !== 0) return false;
    if (packet[8] !== 0 || packet[9] !== 0 || packet[10] !== 0 || (packet[11] ?? 2) > 1) return false;
    return this.#readName(packet, length) && this.#readType(packet, length) && this.#readEdns(packet, length);
  }

  #readName(packet: Uint8Array, length: number): boolean {
    let hash = FNV_OFFSET;
    let at = HEADER_BYTES;
    let label = packet[at] ?? 0;
    while (label !== 0) {
      const end = at + 1 + label;
      if (label > 63 || end >= length || end - HEADER_BYTES >= MAX_NAME_BYTES) return false;
      hash = Math.imul(hash ^ label, FNV_PRIME);
      for (at += 1; at < end; at += 1) hash = Math.imul(hash ^ lowerCase(packet[at] ?? 0), FNV_PRIME);
      label = packet[at] ?? 0;
    }
    this.nameEnd = at + 1;
    this.hash = hash;
    return true;
  }

  #readType(packet: Uint8Array, length: number): boolean {
    const at = this.nameEnd;
    if (at + 4 > length || packet[at + 2] !== 0 || packet[at + 3] !== CLASS_IN) return false;
    this.queryType = ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
    this.hash = Math.imul(this.hash ^ this.queryType, FNV_PRIME);
    return true;
  }

  #readEdns(packet: Uint8Array, length: number): boolean {
    const at = this.nameEnd + 4;
    this.hasEdns = packet[11] === 1;
    this.offeredBytes = 0;
    this.dnssecOk = 0;
    if (!this.hasEdns) return at === length;
    // Root, type, size, extended code, version, flags, length of the options.
    if (at + 11 > length || packet[at] !== 0 || packet[at + 1] !== 0 || packet[at + 2] !== TYPE_OPT) return false;
    const isVersion0 = packet[at + 6] === 0;
    const optionBytes = ((packet[at + 9] ?? 0) << 8) | (packet[at + 10] ?? 0);
    this.offeredBytes = ((packet[at + 3] ?? 0) << 8) | (packet[at + 4] ?? 0);
    this.dnssecOk = (packet[at + 7] ?? 0) & 0x80;
    return isVersion0 && at + 11 + optionBytes === length;
  }
}

/** ASCII only (RFC 4343). */
export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** The name as text, absolute and lower case; undefined when it holds octets that no served name can hold. */
export function questionName(packet: Uint8Array, nameEnd: number): string | undefined {
  let name = '';
  for (let at = HEADER_BYTES; at < nameEnd - 1; ) {
    const end = at + 1 + (packet[at] ?? 0);
    for (at += 1; at < end; at += 1) {
      const byte = lowerCase(packet[at] ?? 0);
      if (!isPlain(byte)) return undefined;
      name += String.fromCharCode(byte);
    }
    name += '.';
  }
  return name === '' ? '.' : name;
}

/** Letters in lower case, digits, and `-`, `_`, `*`, `/`. */
function isPlain(byte: number): boolean {
  const isLetterOrDigit = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39);
  return isLetterOrDigit || byte === 0x2d || byte === 0x5f || byte === 0x2a || byte === 0x2f;
}
