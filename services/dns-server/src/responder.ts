/** Packet in, packets out: everything between a socket and the zones. */
import { performance } from 'node:perf_hooks';
import { errorText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import {
  type Answer,
  type AnswerCode,
  encodeAnswer,
  HEADER_BYTES,
  MessageWriter,
  refuseSignature,
  signAnswers,
  signatureBytes,
  type TsigKey,
  TYPE_NAMES,
  verifyRequest,
  type WriterOptions,
  type ZoneIndex,
} from '@signalbox/zones';
import type { KeptAnswers } from './kept-answers.ts';
import type { DnsMetrics } from './metrics.ts';
import { parseRequest, type Request, type RequestHeader } from './parse-request.ts';
import { answerTransfer, type Transfers } from './transfer/answer-transfer.ts';
import { nowSeconds } from './transfer/dns-client.ts';
import type { Protocol } from './transport.ts';

export interface Responder {
  readonly index: ZoneIndex;
  readonly metrics: DnsMetrics;
  readonly logger: Logger;
  readonly transfers: Transfers;
  readonly maxUdpBytes: number;
}

/** A packet and where it came from. */
export interface Incoming {
  readonly packet: Uint8Array;
  readonly protocol: Protocol;
  readonly peer: string;
  /** What the packet is signed with, once that is checked. */
  readonly key?: TsigKey;
}

const FORMERR = 1;
const SERVFAIL = 2;
const NXDOMAIN = 3;
const NOTAUTH = 9;
const BADVERS = 16;
const CLASS_IN = 1;
const MIN_UDP_BYTES = 512;
const MAX_TCP_BYTES = 65_535;

/** Over UDP: what was answered before is copied, the rest is answered. */
export function respondOverUdp(
  responder: Responder,
  kept: KeptAnswers,
  packet: Uint8Array,
  peer: string,
): Uint8Array | undefined {
  const answer = kept.find(packet);
  if (answer === undefined) {
    const [message] = respond(responder, { packet, protocol: 'udp', peer });
    return message;
  }
  responder.metrics.answers.add('udp', answer.code === 'NOERROR' ? 0 : NXDOMAIN);
  return kept.copy(answer, packet);
}

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
  metrics.answers.add(incoming.protocol, reply.code);
  metrics.requestDuration.observe((performance.now() - startedAt) / 1000);
  return reply.messages;
}

interface Reply {
  readonly code: number;
  readonly messages: Iterable<Uint8Array>;
}

function replyTo(responder: Responder, incoming: Incoming, request: Request): Reply {
  try {
    return request.isSigned ? signedReply(responder, incoming, request) : answerRequest(responder, incoming, request);
  } catch (error) {
    responder.logger.error({ err: error, reason: errorText(error), name: request.name }, 'question failed');
    return errorReply(request.header, SERVFAIL);
  }
}

/** A signed question gets a signed answer (RFC 8945 §5.3). */
function signedReply(responder: Responder, incoming: Incoming, request: Request): Reply {
  const check = verifyRequest(incoming.packet, responder.transfers.keys, nowSeconds());
  if (check.type === 'unsigned' || check.type === 'malformed') return errorReply(request.header, FORMERR);
  if (check.type === 'valid') {
    const { key, mac: requestMac } = check;
    const { code, messages } = answerRequest(responder, { ...incoming, key }, request);
    return { code, messages: signAnswers(messages, key, { nowSeconds, requestMac }) };
  }
  const options = writerOptions(responder, incoming, request);
  const { messages } = emptyReply(options, request.header, NOTAUTH);
  const refused = [...messages].map((message) => refuseSignature(message, check, nowSeconds()));
  const isTooLong = refused.some((message) => message.length > options.maxBytes);
  return isTooLong ? errorReply(request.header, NOTAUTH) : { code: NOTAUTH, messages: refused };
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
  const options = writerOptions(responder, incoming, request);
  if (request.edns !== undefined && request.edns.version > 0) return emptyReply(options, request.header, BADVERS);
  const type = TYPE_NAMES.get(request.queryType) ?? `TYPE${request.queryType}`;
  if (type === 'AXFR' || type === 'IXFR') return transferReply(responder, incoming, request, options);
  const message = encodeAnswer(answerInZones(responder.index, request, type), options, request.header);
  return { code: (message[3] ?? 0) & 0xf, messages: [message] };
}

function transferReply(responder: Responder, incoming: Incoming, request: Request, options: WriterOptions): Reply {
  const { packet, protocol, peer, key } = incoming;
  const answer = answerTransfer(responder.transfers, { request, packet, protocol, peer, key, options });
  if (typeof answer === 'number') return emptyReply(options, request.header, answer);
  return { code: 0, messages: answer };
}

function answerInZones(index: ZoneIndex, { name, queryClass }: Request, type: string): Answer {
  if (queryClass !== CLASS_IN) return withoutRecords('REFUSED');
  // Before the first cluster is known, this server cannot tell which zones are its own.
  if (!index.hasZones) return withoutRecords('SERVFAIL');
  return index.answer({ name, type });
}

function withoutRecords(code: AnswerCode): Answer {
  return { code, answers: [], authority: [], additional: [] };
}

/** Room for the signature is left free. */
function writerOptions(responder: Responder, { protocol, key }: Incoming, request: Request): WriterOptions {
  const { question, spelling, edns } = request;
  const offered = Math.max(MIN_UDP_BYTES, edns?.udpPayloadSize ?? MIN_UDP_BYTES);
  const maxBytes = protocol === 'tcp' ? MAX_TCP_BYTES : Math.min(offered, responder.maxUdpBytes);
  return {
    maxBytes: maxBytes - (key === undefined ? 0 : signatureBytes(key)),
    question,
    questionName: spelling?.toLowerCase(),
    udpPayloadSize: edns === undefined ? undefined : responder.maxUdpBytes,
  };
}
