/**
 * DNS over UDP: a packet in, at most a packet out. Two ways with the same answers: by batches, with native code, where
 * that was built; and one by one, with what Node has.
 */
import type { Socket } from 'node:dgram';
import type { Eventually } from './transport.ts';

export const RECEIVER_KINDS = ['batch', 'dgram'] as const;
export type ReceiverKind = (typeof RECEIVER_KINDS)[number];

export interface Peer {
  readonly address: string;
  readonly port: number;
  /** The same, and the link it is on, as system calls have it. */
  readonly raw?: Uint8Array;
}

export interface UdpAnswers {
  /**
   * Into the target, at once; returns the length. 0: `answer` has to say. The packet is the first octets of `data`. Absent
   * where each answer depends on who asks.
   */
  readonly quick?: ((data: Uint8Array, length: number, target: Uint8Array) => number) | undefined;
  /** The message to send back, none for a packet that must not be answered. Never throws, never rejects. */
  answer(packet: Uint8Array, peer: Peer): Eventually<Uint8Array | undefined>;
}

export interface UdpReceiver {
  readonly kind: ReceiverKind;
  /** As bound. */
  readonly port: number;
  /** What another process needs to take packets from it too. */
  readonly shared: { readonly socket: Socket } | { readonly descriptor: number };
  /** For a packet that another process took. */
  answer(packet: Uint8Array, peer: Peer): void;
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
}
