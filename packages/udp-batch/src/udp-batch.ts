/**
 * A UDP socket that gives and takes packets in batches of up to 64: one system call for all, and no object for any.
 *
 * Packets and answers lie in memory that is used again for the next batch. So who answers has to read the packet, and
 * write the answer, before returning; what takes longer is copied and sent by `send`.
 */
import { endianness } from 'node:os';
import type { Native } from './native.ts';

export interface UdpBatchOptions {
  /** Where to bind; or a descriptor that is bound already. */
  readonly bind: { readonly address: string; readonly port: number } | { readonly descriptor: number };
  /** Longer answers have to be sent by `send`. */
  readonly answerBytes: number;
  /** Returns the length of what it has written into `packet.answer`; 0: nothing to send now. */
  readonly onPacket: (packet: BatchPacket) => number;
}

/** Good until `onPacket` returns. */
export interface BatchPacket {
  /** Longer than the packet, which ends at `length`. */
  readonly data: Uint8Array;
  length: number;
  readonly answer: Uint8Array;
  /** Of the sender, as the system calls have it. */
  readonly peer: Uint8Array;
}

const SLOTS = 64;
const PEER_BYTES = 28;
/** No question that can be answered is longer; what is, is dropped. One more octet shows that it was. */
const PACKET_BYTES = 4096 + 1;

export class UdpBatch {
  readonly #native: Native;
  readonly #options: UdpBatchOptions;
  readonly #receiver: object;
  readonly #received: Int32Array;
  readonly #answered: Int32Array;
  readonly #packets: readonly BatchPacket[];
  #isClosed = false;
  /** Of the socket; may be handed to a child process. */
  readonly descriptor: number;

  /** Throws what `bind` says, with its `code`. */
  constructor(native: Native, options: UdpBatchOptions) {
    const { bind, answerBytes } = options;
    this.#native = native;
    this.#options = options;
    const memory = new ArrayBuffer(SLOTS * (8 + PEER_BYTES + PACKET_BYTES + answerBytes));
    this.#received = new Int32Array(memory, 0, SLOTS);
    this.#answered = new Int32Array(memory, SLOTS * 4, SLOTS);
    this.#packets = Array.from({ length: SLOTS }, (_, slot) => packetAt(memory, slot, answerBytes));
    this.descriptor = 'descriptor' in bind ? bind.descriptor : native.open(bind.address, bind.port);
    const onBatch = (count: number) => this.#onBatch(count);
    this.#receiver = native.start(this.descriptor, memory, PACKET_BYTES, answerBytes, onBatch);
  }

  get port(): number {
    return this.#native.portOf(this.descriptor);
  }

  /** False: it was not sent, as the network may lose any packet. */
  send(peer: Uint8Array, message: Uint8Array): boolean {
    return !this.#isClosed && this.#native.send(this.descriptor, peer, message);
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#native.stop(this.#receiver);
  }

  #onBatch(count: number): void {
    for (let slot = 0; slot < count; slot += 1) {
      const packet = this.#packets[slot];
      const length = this.#received[slot] ?? 0;
      if (packet === undefined || length === 0 || this.#isClosed) continue;
      packet.length = length;
      this.#answered[slot] = this.#options.onPacket(packet);
    }
  }
}

function packetAt(memory: ArrayBuffer, slot: number, answerBytes: number): BatchPacket {
  const peers = SLOTS * 8;
  const packets = peers + SLOTS * PEER_BYTES;
  const answers = packets + SLOTS * PACKET_BYTES;
  return {
    data: Buffer.from(memory, packets + slot * PACKET_BYTES, PACKET_BYTES),
    length: 0,
    answer: Buffer.from(memory, answers + slot * answerBytes, answerBytes),
    peer: Buffer.from(memory, peers + slot * PEER_BYTES, PEER_BYTES),
  };
}

const AF_INET = 2;

/** Address and port of a sender. IPv6 in eight groups, whatever zeros there are. */
export function addressOf(peer: Uint8Array): { address: string; port: number } {
  const view = new DataView(peer.buffer, peer.byteOffset, peer.byteLength);
  const family = view.getUint16(0, endianness() === 'LE');
  const port = view.getUint16(2);
  if (family === AF_INET) return { address: peer.subarray(4, 8).join('.'), port };
  const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(8 + at * 2).toString(16));
  return { address: groups.join(':'), port };
}
