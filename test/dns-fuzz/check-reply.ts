/**
 * What must hold of a reply to any packet whatever (RFC 1035 §4.1.1, RFC 6891 §6.2.3 to §6.2.5, RFC 9619). Written without any
 * of the server's own code, and so simple that it can be believed.
 */
import dnsPacket from 'dns-packet';

const [FORMERR, NOTIMP] = [1, 4];
const HEADER_BYTES = 12;
const MAX_UDP_BYTES = 1232;
const OPT = 41;

/** Whether a packet has to be answered at all: what is cut short, or is a response itself, must not. */
export function isAnswered(packet: Uint8Array): boolean {
  return packet.length >= HEADER_BYTES && ((packet[2] ?? 0) & 0x80) === 0;
}

export function codeOf(reply: Uint8Array): number {
  return (reply[3] ?? 0) & 0xf;
}

/** What is wrong with the UDP reply to a packet; undefined when nothing is. `isRead`: its records are read as well. */
export function problemWith(
  packet: Uint8Array,
  reply: Uint8Array | undefined,
  { isRead }: { isRead: boolean },
): string | undefined {
  if ((reply !== undefined) !== isAnswered(packet)) return reply === undefined ? 'no reply' : 'a reply';
  if (reply === undefined) return undefined;
  const limit = allowedBytes(packet);
  if (reply.length > limit) return `${reply.length} octets, where ${limit} are allowed`;
  return headerProblem(packet, reply) ?? (isRead ? recordProblem(reply) : undefined);
}

function headerProblem(packet: Uint8Array, reply: Uint8Array): string | undefined {
  const [flags, asked] = [reply[2] ?? 0, packet[2] ?? 0];
  if (reply.length < HEADER_BYTES || (flags & 0x80) === 0) return 'no response';
  if (reply[0] !== packet[0] || reply[1] !== packet[1]) return 'another id';
  if ((flags & 0x78) !== (asked & 0x78)) return 'another opcode';
  if ((flags & 0x01) !== (asked & 0x01)) return 'another RD';
  const code = codeOf(reply);
  if ((asked & 0x78) !== 0) return code === NOTIMP ? undefined : `code ${code} to another opcode`;
  return questionProblem(packet, reply);
}

function questionProblem(packet: Uint8Array, reply: Uint8Array): string | undefined {
  const code = codeOf(reply);
  const end = questionEnd(packet);
  if (end === undefined) return code === FORMERR ? undefined : `code ${code} where the question cannot be read`;
  if (code === FORMERR) return undefined;
  const isRepeated = Buffer.from(packet.subarray(HEADER_BYTES, end)).equals(reply.subarray(HEADER_BYTES, end));
  return isRepeated && uint16(reply, 4) === 1 ? undefined : 'another question';
}

/** dns-packet knows few types of records as well as it knows the form of a message. */
function recordProblem(reply: Uint8Array): string | undefined {
  try {
    dnsPacket.decode(Buffer.from(reply));
    return undefined;
  } catch (error) {
    return `unreadable: ${String(error)}`;
  }
}

/** 512 octets, or what a well-formed OPT record allows. */
export function allowedBytes(packet: Uint8Array): number {
  let at = questionEnd(packet);
  const before = uint16(packet, 6) + uint16(packet, 8);
  const all = before + uint16(packet, 10);
  for (let index = 0; index < all && at !== undefined; index += 1) {
    const nameEnd = skipName(packet, at);
    if (nameEnd === undefined || nameEnd + 10 > packet.length) return 512;
    const isOpt = index >= before && nameEnd === at + 1 && uint16(packet, nameEnd) === OPT;
    if (isOpt) return Math.min(MAX_UDP_BYTES, Math.max(512, uint16(packet, nameEnd + 2)));
    at = nameEnd + 10 + uint16(packet, nameEnd + 8);
  }
  return 512;
}

/** Undefined unless there is exactly one question, with a name of at most 255 octets that holds no pointer. */
function questionEnd(packet: Uint8Array): number | undefined {
  if (uint16(packet, 4) !== 1) return undefined;
  let at = HEADER_BYTES;
  while (at < packet.length && packet[at] !== 0) {
    if ((packet[at] ?? 0) > 63) return undefined;
    at += 1 + (packet[at] ?? 0);
  }
  const isWhole = at + 5 <= packet.length && at + 1 - HEADER_BYTES <= 255;
  return isWhole ? at + 5 : undefined;
}

function skipName(packet: Uint8Array, start: number): number | undefined {
  for (let at = start; at < packet.length; at += 1 + (packet[at] ?? 0)) {
    if (packet[at] === 0) return at + 1;
    if ((packet[at] ?? 0) >= 0xc0) return at + 2;
    if ((packet[at] ?? 0) > 63) return undefined;
  }
  return undefined;
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
