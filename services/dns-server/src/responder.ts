/** Packet in, packets out: everything between a socket and the zones. */
import { performance } from 'node:perf_hooks';
import { errorText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import {
  type Answer,
  type AnswerCode,
  encodeAnswer,
  encodeFollowedAnswer,
  encodeQuery,
  HEADER_BYTES,
  MessageWriter,
  readMessage,
  refuseSignature,
  responseCode,
  signAnswers,
  signatureBytes,
  type TsigKey,
  TYPE_NAMES,
  verifyRequest,
  type WriterOptions,
  type ZoneIndex,
} from '@signalbox/zones';
import { forwardedMessage } from './forward/forwarded-message.ts';
import type { Forwarder } from './forward/forwarder.ts';
import { agedMessage } from './forward/response-cache.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { DnsMetrics } from './metrics.ts';
import { parseRequest, type Request, type RequestHeader } from './parse-request.ts';
import type { QueryAcl } from './query-acl.ts';
import { hashOf, type RateLimiter } from './rate-limiter.ts';
import { answerTransfer, type Transfers } from './transfer/answer-transfer.ts';
import { nowSeconds } from './transfer/dns-client.ts';
import type { Eventually, Protocol } from './transport.ts';
import { withinLimit } from './within-limit.ts';

export interface Responder {
  readonly index: ZoneIndex;
  readonly metrics: DnsMetrics;
  readonly logger: Logger;
  readonly transfers: Transfers;
  readonly maxUdpBytes: number;
  /** Who may ask which zone. */
  readonly acl: QueryAcl;
  /** Absent: as many answers as there are questions. */
  readonly rateLimiter?: RateLimiter | undefined;
  /** Absent: names outside the zones are refused. */
  readonly forwarder?: Forwarder | undefined;
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

/** Over UDP: what was answered before is copied, the rest is answered; and where there is a limit, it is kept. */
export function respondOverUdp(
  responder: Responder,
  kept: KeptAnswers,
  packet: Uint8Array,
  peer: string,
): Eventually<Uint8Array | undefined> {
  const answer = kept.find(packet);
  if (answer === undefined || leavesZones(responder, answer, peer) || !responder.acl.allows(answer.zone, peer)) {
    const messages = respond(responder, { packet, protocol: 'udp', peer });
    if (messages instanceof Promise) return messages.then(([late]) => withinLimit(responder, peer, late));
    const [message] = messages;
    return withinLimit(responder, peer, message);
  }
  const isFound = answer.code === 'NOERROR';
  responder.metrics.answers.add('udp', isFound ? 0 : NXDOMAIN);
  const message = kept.copy(answer, packet);
  return responder.rateLimiter === undefined
    ? message
    : withinLimit(responder, peer, message, isFound ? answer.hash : hashOf(answer.zone, NXDOMAIN));
}

/**
 * The messages to send back: none for what must not be answered, one as a rule, several for a zone transfer. Never
 * throws: a fault in here costs one SERVFAIL, not the server.
 */
export function respond(responder: Responder, incoming: Incoming): Eventually<Iterable<Uint8Array>> {
  const startedAt = performance.now();
  const parsed = parseRequest(incoming.packet);
  if (parsed.type === 'drop') return [];
  const { metrics } = responder;
  const finish = ({ code, messages }: Reply) => {
    metrics.answers.add(incoming.protocol, code);
    return messages;
  };
  if (parsed.type === 'error') return finish(errorReply(parsed.header, parsed.code));
  const reply = replyTo(responder, incoming, parsed);
  if (reply instanceof Promise) return reply.then(finish);
  metrics.requestDuration.observe((performance.now() - startedAt) / 1000);
  return finish(reply);
}

interface Reply {
  readonly code: number;
  readonly messages: Iterable<Uint8Array>;
}

function replyTo(responder: Responder, incoming: Incoming, request: Request): Eventually<Reply> {
  const failed = (error: unknown) => {
    responder.logger.error({ err: error, reason: errorText(error), name: request.name }, 'question failed');
    return errorReply(request.header, SERVFAIL);
  };
  try {
    const reply = request.isSigned
      ? signedReply(responder, incoming, request)
      : answerRequest(responder, incoming, request);
    return reply instanceof Promise ? reply.catch(failed) : reply;
  } catch (error) {
    return failed(error);
  }
}

/** A signed question gets a signed answer (RFC 8945 §5.3). */
function signedReply(responder: Responder, incoming: Incoming, request: Request): Eventually<Reply> {
  const check = verifyRequest(incoming.packet, responder.transfers.keys, nowSeconds());
  if (check.type === 'unsigned' || check.type === 'malformed') return errorReply(request.header, FORMERR);
  if (check.type === 'valid') {
    const { key, mac: requestMac } = check;
    const signed = ({ code, messages }: Reply) => {
      return { code, messages: signAnswers(messages, key, { nowSeconds, requestMac }) };
    };
    const reply = answerRequest(responder, { ...incoming, key }, request);
    return reply instanceof Promise ? reply.then(signed) : signed(reply);
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

function answerRequest(responder: Responder, incoming: Incoming, request: Request): Eventually<Reply> {
  const options = writerOptions(responder, incoming, request);
  if (request.edns !== undefined && request.edns.version > 0) return emptyReply(options, request.header, BADVERS);
  const type = TYPE_NAMES.get(request.queryType) ?? `TYPE${request.queryType}`;
  if (type === 'AXFR' || type === 'IXFR') return transferReply(responder, incoming, request, options);
  if (isForwarded(responder, incoming.peer, request)) return forward(responder, request, options);
  const answer = answerInZones(responder, incoming.peer, request, type);
  const alone = () => replyOf(encodeAnswer(answer, options, request.header));
  if (!request.header.isRecursionDesired || !leavesZones(responder, answer, incoming.peer)) return alone();
  // An alias is true alone too; that nobody has an address is not, when those who would know do not answer.
  const unknown = () => emptyReply(options, request.header, SERVFAIL);
  const otherwise = answer.code === 'NXDOMAIN' ? unknown : alone;
  return followed(responder, answer, request, options).then((message) => message ?? otherwise());
}

function replyOf(message: Uint8Array): Reply {
  return { code: (message[3] ?? 0) & 0xf, messages: [message] };
}

function transferReply(responder: Responder, incoming: Incoming, request: Request, options: WriterOptions): Reply {
  const { packet, protocol, peer, key } = incoming;
  const answer = answerTransfer(responder.transfers, { request, packet, protocol, peer, key, options });
  if (typeof answer === 'number') return emptyReply(options, request.header, answer);
  return { code: 0, messages: answer };
}

/** Names in no zone of ours, for those who may have them resolved; never before we know what our zones are. */
function isForwarded({ index, forwarder }: Responder, peer: string, { name, queryClass, header }: Request): boolean {
  if (forwarder === undefined || !header.isRecursionDesired || queryClass !== CLASS_IN) return false;
  return index.hasZones && index.zoneNameOf(name) === undefined && forwarder.serves(name, peer);
}

/** An alias that this client may have followed. */
function leavesZones({ forwarder }: Responder, { leadsTo }: { leadsTo?: string | undefined }, peer: string): boolean {
  return leadsTo !== undefined && forwarder?.serves(leadsTo, peer) === true;
}

/** Undefined when the upstreams do not know where the alias leads: then it is all that can be said. */
async function followed(
  { forwarder }: Responder,
  answer: Answer,
  { queryType, edns, header }: Request,
  options: WriterOptions,
): Promise<Reply | undefined> {
  const target = answer.leadsTo ?? '.';
  const question = encodeQuery(0, target, queryType).subarray(HEADER_BYTES);
  const dnssecOk = edns?.dnssecOk === true;
  const response = await forwarder?.resolve(target, { question, dnssecOk });
  const read = response && readMessage(agedMessage(response, HEADER_BYTES + question.length, Date.now()));
  const code = read && responseCode(read);
  if (read === undefined || (code !== 0 && code !== NXDOMAIN)) return undefined;
  return replyOf(encodeFollowedAnswer(answer, read, options, header));
}

async function forward({ forwarder }: Responder, request: Request, options: WriterOptions): Promise<Reply> {
  const { name, question, header, edns } = request;
  const nameBytes = question.length - 4;
  const lowerCased = question.map((byte, at) => (at < nameBytes && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte));
  const dnssecOk = edns?.dnssecOk === true;
  const response = await forwarder?.resolve(name, { question: lowerCased, dnssecOk });
  return replyOf(forwardedMessage(response, { id: header.id, dnssecOk }, options));
}

function answerInZones({ index, acl }: Responder, peer: string, { name, queryClass }: Request, type: string): Answer {
  if (queryClass !== CLASS_IN) return withoutRecords('REFUSED');
  // Before the first cluster is known, this server cannot tell which zones are its own.
  if (!index.hasZones) return withoutRecords('SERVFAIL');
  const zone = index.zoneNameOf(name);
  if (zone !== undefined && !acl.allows(zone, peer)) return withoutRecords('REFUSED');
  return index.answer({ name, type, pick: Math.random() });
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
    dnssecOk: edns?.dnssecOk,
  };
}
