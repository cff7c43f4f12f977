/** The STATUS stream → up to which revision everybody who serves a layer of one cluster has followed. */
import { ackSchema, acksOfLayer, type Layer } from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import type { Logger, StreamReader } from '@signalbox/kit';

interface LayerAckFeedOptions {
  readonly layer: Layer;
  readonly cluster: string;
  readonly logger: Logger;
  readonly onChange: () => void;
  readonly onBadMessage: () => void;
}

interface Word {
  /** Who is waited for: a DNS server, or the load balancer of a class. */
  readonly party: string;
  readonly revision: number;
  /** Was waited for in vain, and has not spoken since. */
  isGivenUp: boolean;
}

export class LayerAckFeed implements StreamReader {
  readonly stream = 'status';
  readonly filter: string;
  readonly #options: LayerAckFeedOptions;
  /** By subject. */
  #words = new Map<string, Word>();
  /** Takes the place of the words when it is whole; undefined while following. */
  #replayed: Map<string, Word> | undefined = new Map();
  #isKnown = false;

  constructor(options: LayerAckFeedOptions) {
    this.#options = options;
    this.filter = acksOfLayer(options.layer, options.cluster);
  }

  /**
   * `Infinity` when there is nobody to wait for; -1 as long as that is not known. A class of load balancers has what any of
   * its drivers has: one of them works at a time, and the others left their last word behind.
   */
  get revision(): number {
    if (!this.#isKnown) return -1;
    const ofParty = new Map<string, number>();
    for (const { party, revision, isGivenUp } of this.#words.values()) {
      if (!isGivenUp) ofParty.set(party, Math.max(ofParty.get(party) ?? 0, revision));
    }
    return Math.min(...ofParty.values());
  }

  /** Whoever has not come to this revision is not waited for any more, until the next word. */
  giveUp(revision: number): void {
    for (const word of this.#words.values()) word.isGivenUp ||= word.revision < revision;
  }

  beginReplay(): void {
    this.#replayed = new Map();
  }

  apply({ messages, isCaughtUp }: LogBatch): void {
    for (const message of messages) this.#read(message);
    if (isCaughtUp && this.#replayed !== undefined) {
      this.#words = this.#replayed;
      this.#replayed = undefined;
      this.#isKnown = true;
    }
    this.#options.onChange();
  }

  #read({ subject, data }: LogMessage): void {
    const words = this.#replayed ?? this.#words;
    try {
      if (data === null) words.delete(subject);
      else words.set(subject, wordOf(data));
    } catch (err) {
      this.#options.logger.warn({ err, subject }, 'acknowledgement skipped');
      this.#options.onBadMessage();
    }
  }
}

function wordOf(data: string): Word {
  const ack = ackSchema.parse(JSON.parse(data));
  const party = ack.kind === 'lb-driver' ? `class ${ack.loadBalancerClass}` : `consumer ${ack.consumer}`;
  return { party, revision: ack.revision, isGivenUp: false };
}
