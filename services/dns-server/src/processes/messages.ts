/**
 * What the main process and those that answer beside it say to each other.
 *
 *     main                                        beside it
 *      │ ◄────────────────────────────────────── ready │
 *      │ start, names, a socket for each address ────► │
 *      │ batch ──────────────────────────────────────► │ ┐ again and again; the next batch waits
 *      │ ◄──────────────────────────────────── applied │ ┘ for the word on the last one
 *      │ ◄────────────────────── question, and counts  │
 *      │ stop ───────────────────────────────────────► │ (or the channel is gone)
 */
import type { LogBatch } from '@signalbox/event-log';
import type { PodMode } from '@signalbox/zones';
import type { Peer } from '../udp-receiver.ts';

/** What answers depend on, as in the main process. */
export interface AnswerProcessSettings {
  readonly ttlSeconds: number;
  readonly serverAddresses: readonly string[];
  readonly pods: PodMode | undefined;
  readonly allowQuery: readonly string[];
  readonly maxUdpBytes: number;
  /** This process's part. */
  readonly rateLimit: { readonly perSecond: number; readonly slip: number } | undefined;
  /** Aliases out of the zones are then left to the main process. */
  readonly hasForwarder: boolean;
}

/** Names that objects make, and no record set has. */
export type NameChange =
  | { readonly type: 'namespace'; readonly cluster: string; readonly namespace: string; readonly exists: boolean }
  | {
      readonly type: 'pod';
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      /** Undefined: it has no name, or is gone. */
      readonly label: string | undefined;
    };

export type ToAnswerProcess =
  | { readonly type: 'start'; readonly settings: AnswerProcessSettings }
  /** With the socket itself, where it is no inherited descriptor. */
  | { readonly type: 'socket'; readonly listener: number; readonly descriptor: number | undefined }
  | NameChange
  | { readonly type: 'batch'; readonly batch: LogBatch }
  | { readonly type: 'replay' }
  | { readonly type: 'stop' };

export type FromAnswerProcess =
  /** A socket that comes before somebody listens to it takes packets, and loses them. */
  | { readonly type: 'ready' }
  /** Of the batch before; what is answered from now on, undefined while nothing is. */
  | { readonly type: 'applied'; readonly revision: number | undefined }
  /** Since the last such message. See `AnswerCounts.take`. */
  | { readonly type: 'counts'; readonly counts: Float64Array }
  /** One that only the main process can answer. */
  | {
      readonly type: 'question';
      readonly listener: number;
      readonly packet: Uint8Array;
      readonly peer: Peer;
    };
