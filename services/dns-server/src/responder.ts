/** Packet in, packets out: everything between a socket and the zones. */
import type { BlockList } from 'node:net';
import { isIPv6 } from 'node:net';
import { performance } from 'node:perf_hooks';
import { errorText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import {
  type Answer,
  type AnswerCode,
  encodeAnswer,
  HEADER_BYTES,
  MessageWriter,
  TYPE_NUMBERS,
  type WriterOptions,
  type ZoneIndex,
} from '@signalbox/zones';
import type { DnsMetrics } from './metrics.ts';
import { parseRequest, type Request, type RequestHeader } from './parse-request.ts';
import { transferMessages } from './transfer.ts';

export type Protocol = 'udp' | 'tcp';

export interface Responder {
  readonly index: ZoneIndex;
  readonly metrics: DnsMetrics;
  readonly logger: Logger;
  /** Who may ask for whole zones. */
  readonly transferClients: BlockList;
  readonly maxUdpBytes: number;
}

/** A packet and where it came from. */
export interface Incoming {
  readonly packet: Uint8Array;
  readonly protocol: Protocol;
  readonly peer: string;
}

const SERVFAIL = 2;
const REFUSED = 5;
const NOTAUTH = 9;
const BADVERS = 16;
const CLASS_IN = 1;
const MIN_UDP_BYTES = 512;
const MAX_TCP_BYTES = 65_535;

const TYPE_NAMES = new Map<number, string>([
  ...Object.entries(TYPE_NUMBERS).map(([name, number]): [number, string] => [number, name]),
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
]);

const CODE_NAMES = new Map<number, string>([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [NOTAUTH, 'NOTAUTH'],
  [BADVERS, 'BADVERS'],
]);

/**
 * The messages to send back: none for what must not be answered, one as a rule, several for a zone transfer. Never
 * throws: a fault in here costs one SERVFAIL, not the server.
 */
export function respond(responder: Responder, incoming: Incoming): Iterable<Uint8Array> {
  const startedAt = performance.now();
  const parsed = parseRequest(incoming.packet);
  if (parsed.type === 'drop') return [];
  const reply = parsed.type === 'error' ? errorReply(parsed.header, parsed.code) : replyTo(responder, incoming, parsed);
  const { metrics } = responder;
  metrics.requests.inc({ rcode: CODE_NAMES.get(reply.code) ?? 'OTHER', proto: incoming.protocol });
  metrics.requestDuration.observe((performance.now() - startedAt) / 1000);
  return reply.messages;
}

interface Reply {
  readonly code: number;
  readonly messages: Iterable<Uint8Array>;
}

function replyTo(responder: Responder, incoming: Incoming, request: Request): Reply {
  try {
    return answerRequest(responder, incoming, request);
  } catch (error) {
    responder.logger.error({ err: error, reason: errorText(error), name: request.name }, 'question failed');
    return errorReply(request.header, SERVFAIL);
  }
}

/** For what could not be read far enough to repeat its question. */
function errorReply(header: RequestHeader, code: number): Reply {
  const options = { maxBytes: HEADER_BYTES, question: undefined, questionName: undefined, udpPayloadSize: undefined };
  return emptyReply(options, header, code);
}

function emptyReply(options: WriterOptions, header: RequestHeader, code: number): Reply {
  return { code, messages: [new MessageWriter(options).finish({ ...header, isAuthoritative: false, code })] };
}

function answerRequest(responder: Responder, incoming: Incoming, request: Request): Reply {
  const options = writerOptions(responder, incoming.protocol, request);
  if (request.edns !== undefined && request.edns.version > 0) return emptyReply(options, request.header, BADVERS);
  const type = TYPE_NAMES.get(request.queryType) ?? `TYPE${request.queryType}`;
  if (type === 'AXFR' || type === 'IXFR') return transferReply(responder, incoming, request, options);
  const message = encodeAnswer(answerInZones(responder.index, request, type), options, request.header);
  return { code: (message[3] ?? 0) & 0xf, messages: [message] };
}

/** Whole zones go over TCP only (RFC 5936 §4.2), to those who may have them. */
function transferReply(
  responder: Responder,
  { protocol, peer }: Incoming,
  { name, queryClass, header }: Request,
  options: WriterOptions,
): Reply {
  const isAllowed = responder.transferClients.check(peer, isIPv6(peer) ? 'ipv6' : 'ipv4');
  if (protocol !== 'tcp' || queryClass !== CLASS_IN || !isAllowed) return emptyReply(options, header, REFUSED);
  const groups = responder.index.zoneGroups(name);
  if (groups !== undefined) return { code: 0, messages: transferMessages(groups, options, header) };
  const isOurs = !responder.index.hasZones || responder.index.zones().some((zone) => zone.name === name);
  return emptyReply(options, header, isOurs ? SERVFAIL : NOTAUTH);
}

function answerInZones(index: ZoneIndex, { name, queryClass }: Request, type: string): Answer {
  if (queryClass !== CLASS_IN) return withoutRecords('REFUSED');
  // Before the first cluster is known, this server cannot tell which zones are its own.
  if (!index.hasZones) return withoutRecords('SERVFAIL');
  return index.answer({ name, type, pick: Math.random() });
}

function withoutRecords(code: AnswerCode): Answer {
  return { code, answers: [], authority: [], additional: [] };
}

function writerOptions(responder: Responder, protocol: Protocol, { question, spelling, edns }: Request): WriterOptions {
  const offered = Math.max(MIN_UDP_BYTES, edns?.udpPayloadSize ?? MIN_UDP_BYTES);
  return {
    maxBytes: protocol === 'tcp' ? MAX_TCP_BYTES : Math.min(offered, responder.maxUdpBytes),
    question,
    questionName: spelling,
    udpPayloadSize: edns === undefined ? undefined : responder.maxUdpBytes,
  };
}
