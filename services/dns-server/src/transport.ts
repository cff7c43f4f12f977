/** What UDP and TCP have in common. */

export interface ListenAddress {
  /** An IP address; `0.0.0.0` and `::` are all of one family. */
  readonly address: string;
  /** 0 takes any port that is free for both UDP and TCP. */
  readonly port: number;
}

export type Protocol = 'udp' | 'tcp';

/** Later where another server has to be asked first. */
export type Eventually<Value> = Value | Promise<Value>;

/** The messages to send back, none for a packet that must not be answered. Never throws, never rejects. */
export type AnswerPacket = (packet: Uint8Array, peer: string) => Eventually<Iterable<Uint8Array>>;
