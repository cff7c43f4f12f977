/**
 * One question to one upstream: over UDP, and again over TCP when the answer was truncated (RFC 1035 §4.2, RFC 7766).
 *
 * Each question has a socket of its own, so a port that the system chose at random, connected, so that only the upstream is
 * heard, and a random id (RFC 5452); with `mixesCase` the spelling of the name is random too and has to come back the same.
 * What does not match is not an answer: the wait for the right one goes on.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { HEADER_BYTES, wireRecords } from '@signalbox/zones';

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamQuestion {
  /** Question section: name in lower case, type, class. */
  readonly question: Uint8Array;
  readonly dnssecOk: boolean;
}

export interface ExchangeSettings {
  readonly timeoutMs: number;
  readonly mixesCase: boolean;
}

const UDP_BYTES = 1232;
const RD = 1;
const TC = 2;

/** The response, whole and readable, its question answered. Throws when none came in time. */
export async function exchange(
  upstream: Upstream,
  asked: UpstreamQuestion,
  { timeoutMs, mixesCase }: ExchangeSettings,
): Promise<Uint8Array> {
  const query = queryOf(asked, mixesCase);
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await overUdp(upstream, query, signal);
  const whole = ((response[2] ?? 0) & TC) === 0 ? response : await overTcp(upstream, query, signal);
  // Memory of its own: a Buffer may be part of a block that others write to.
  return new Uint8Array(whole);
}

function queryOf({ question, dnssecOk }: UpstreamQuestion, mixesCase: boolean): Buffer {
  const [high = 0, low = 0] = randomBytes(2);
  const header = [high, low, RD, 0, 0, 1, 0, 0, 0, 0, 0, 1];
  const opt = [0, 0, 41, UDP_BYTES >> 8, UDP_BYTES & 255, 0, 0, dnssecOk ? 0x80 : 0, 0, 0, 0];
  return Buffer.from([...header, ...(mixesCase ? withRandomCase(question) : question), ...opt]);
}

function withRandomCase(question: Uint8Array): Uint8Array {
  const coins = randomBytes(question.length);
  const nameEnd = question.length - 4;
  return question.map((byte, at) => {
    const isLetter = at < nameEnd && byte >= 0x61 && byte <= 0x7a;
    return isLetter && ((coins[at] ?? 0) & 1) === 1 ? byte & 0xdf : byte;
  });
}

function overUdp(upstream: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(upstream.address) ? 'udp6' : 'udp4');
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      finish();
    };
    const fail = (error: unknown) => settle(() => reject(asError(error)));
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort);
    socket.on('error', fail);
    socket.on('message', (message) => {
      if (answers(message, query)) settle(() => resolve(message));
    });
    socket.connect(upstream.port, upstream.address, () => socket.send(query));
  });
}

function overTcp(upstream: Upstream, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: upstream.address, port: upstream.port, noDelay: true });
    let received: Buffer = Buffer.alloc(0);
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      finish();
    };
    const onAbort = () => settle(() => reject(asError(signal.reason)));
    signal.addEventListener('abort', onAbort);
    socket.on('error', (error) => settle(() => reject(error)));
    socket.on('close', () => settle(() => reject(new Error('connection closed without an answer'))));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      if (answers(message, query)) settle(() => resolve(message));
      else settle(() => reject(new Error('the answer is to another question')));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** A response with our id and our question to the letter, and readable to its end unless it was cut. */
function answers(message: Buffer, query: Buffer): boolean {
  const questionEnd = query.length - 11;
  const isResponse = message.length >= questionEnd && ((message[2] ?? 0) & 0xf8) === 0x80;
  if (!isResponse || message.readUInt16BE(0) !== query.readUInt16BE(0) || message.readUInt16BE(4) !== 1) return false;
  if (message.compare(query, HEADER_BYTES, questionEnd, HEADER_BYTES, questionEnd) !== 0) return false;
  return ((message[2] ?? 0) & TC) !== 0 || wireRecords(message) !== undefined;
}
