/** Asking other DNS servers, signed where a key is given. Everything that goes wrong is `unavailable`, with the server's name. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createConnection, isIPv6, type Socket } from 'node:net';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { formatAddress } from '@signalbox/kit';
import {
  AnswerVerifier,
  encodeQuery,
  type ReadMessage,
  readMessage,
  responseCode,
  signMessage,
  type TsigKey,
  TYPE_AXFR,
  TYPE_NUMBERS,
  type WireRecord,
} from '@signalbox/zones';
import { readMessages, writeMessage } from '../tcp-listener.ts';

export interface DnsPeer {
  readonly address: string;
  readonly port: number;
  readonly key: TsigKey | undefined;
  /** Where to send from, so that the peer sees the address it knows; any when absent. */
  readonly localAddress?: string;
}

/** Messages are made with an id of the client's choice. */
type MessageMaker = (id: number) => Uint8Array;

interface Sent {
  readonly id: number;
  readonly message: Uint8Array;
  readonly verifier: AnswerVerifier | undefined;
}

/** Of all records of a transfer; a zone that is larger is not compared. */
const MAX_TRANSFER_BYTES = 256 * 1024 * 1024;

function randomId(): number {
  return randomInt(0x1_0000);
}

/** One question, one answer; a packet that is no answer to it is ignored. */
export async function askOverUdp(
  peer: DnsPeer,
  make: MessageMaker,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<ReadMessage> {
  const sent = prepare(peer, make);
  const socket = createSocket(isIPv6(peer.address) ? 'udp6' : 'udp4');
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    return await new Promise((resolve, reject) => {
      deadline.addEventListener('abort', () => reject(new Error('no answer')), { once: true });
      socket.on('error', reject);
      socket.on('message', (packet) => {
        const answer = readMessage(packet);
        if (answer?.id !== sent.id || !isResponse(answer)) return;
        const problem = sent.verifier?.check(packet, nowSeconds());
        if (problem === undefined) resolve(answer);
        else reject(new Error(problem));
      });
      // Connected, so that only the peer is heard, and also that nobody listens there.
      socket.on('connect', () => socket.send(sent.message, (error) => error && reject(error)));
      socket.bind({ port: 0, ...(peer.localAddress && { address: peer.localAddress }) }, () =>
        socket.connect(peer.port, peer.address),
      );
    });
  } catch (cause) {
    throw unavailable(peer, cause);
  } finally {
    socket.close();
  }
}

/** Questions one after another on one connection. To be closed. */
export class DnsConnection {
  readonly #peer: DnsPeer;
  readonly #socket: Socket;
  readonly #messages: AsyncGenerator<Uint8Array>;

  /** A connection on which nothing happens for `timeoutMs` while an answer is awaited is given up. */
  constructor(peer: DnsPeer, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }) {
    const { address: host, port, localAddress } = peer;
    this.#peer = peer;
    this.#socket = createConnection({ host, port, noDelay: true, ...(localAddress && { localAddress }) });
    // Not the socket's own `signal` option, which would stay on the signal for as long as that lives.
    const onAbort = () => this.close();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#socket.once('close', () => signal.removeEventListener('abort', onAbort));
    this.#socket.setTimeout(timeoutMs, () => this.#socket.destroy(new Error('no answer')));
    // Told to whoever waits for an answer; before and after that it is nobody's business.
    this.#socket.on('error', () => {});
    this.#messages = readMessages(this.#socket);
  }

  async ask(make: MessageMaker): Promise<ReadMessage> {
    return await this.#wrapped(async () => {
      const sent = prepare(this.#peer, make);
      await writeMessage(this.#socket, sent.message);
      return await this.#next(sent, { isRefusalSigned: true });
    });
  }

  /** All records of a zone, the SOA once; or the code with which the server refused. */
  async transfer(zone: string): Promise<WireRecord[] | number> {
    return await this.#wrapped(async () => {
      const sent = prepare(this.#peer, (id) => encodeQuery(id, zone, TYPE_AXFR));
      await writeMessage(this.#socket, sent.message);
      return await this.#readZone(sent);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #readZone(sent: Sent): Promise<WireRecord[] | number> {
    const records: WireRecord[] = [];
    let bytes = 0;
    while (!isWholeZone(records)) {
      const answer = await this.#next(sent, { isRefusalSigned: false });
      if (responseCode(answer) !== 0) return responseCode(answer);
      if (answer.answer.length === 0) throw new Error('an empty message in a transfer');
      records.push(...answer.answer);
      bytes += answer.answer.reduce((total, { name, data }) => total + name.length + data.length, 0);
      if (bytes > MAX_TRANSFER_BYTES) throw new Error('the zone is too large');
    }
    if (sent.verifier?.isComplete === false) throw new Error('the end of the transfer is not signed');
    return records.slice(0, -1);
  }

  /** Knot refuses what a key is not for with BADKEY and so without a signature; a refusal gives nothing away. */
  async #next(sent: Sent, { isRefusalSigned }: { isRefusalSigned: boolean }): Promise<ReadMessage> {
    const { value: packet, done } = await this.#messages.next();
    if (done === true) throw new Error('the connection was closed');
    const answer = readMessage(packet);
    if (answer?.id !== sent.id || !isResponse(answer)) throw new Error('not an answer to what was asked');
    const problem = sent.verifier?.check(packet, nowSeconds());
    const isRefusal = !isRefusalSigned && responseCode(answer) !== 0;
    if (problem !== undefined && !isRefusal) throw new Error(`code ${responseCode(answer)}, ${problem}`);
    return answer;
  }

  async #wrapped<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(this.#peer, cause);
    }
  }
}

/** The SOA comes first and once more at the end. */
function isWholeZone(records: readonly WireRecord[]): boolean {
  return records.length > 1 && records.at(-1)?.type === TYPE_NUMBERS.SOA;
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function prepare(peer: DnsPeer, make: MessageMaker): Sent {
  const id = randomId();
  const message = make(id);
  if (peer.key === undefined) return { id, message, verifier: undefined };
  const signed = signMessage(message, peer.key, { nowSeconds: nowSeconds() });
  return { id, message: signed.message, verifier: new AnswerVerifier(peer.key, signed.mac) };
}

function isResponse({ flags }: ReadMessage): boolean {
  return (flags & 0x8000) !== 0;
}

function unavailable(peer: DnsPeer, cause: unknown): SignalboxError {
  return new SignalboxError('unavailable', `DNS server ${formatAddress(peer)}: ${errorText(cause)}`, { cause });
}
