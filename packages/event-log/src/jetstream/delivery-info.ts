/** What a JetStream message says about itself in its reply subject. */

export interface DeliveryInfo {
  readonly deliveryCount: number;
  readonly streamSequence: number;
  /** Counts up by one with each message of a consumer: a step of more is a loss. */
  readonly consumerSequence: number;
  readonly storedAtMs: number;
  /** Messages that the consumer still had for us at that moment. */
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, or with `<domain>.<account>`
 * before the stream and a random token at the end (NATS ADR-15).
 */
export function parseDeliveryInfo(reply: string): DeliveryInfo | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  const first = tokens.length === 9 ? 4 : 6;
  const [deliveryCount, streamSequence, consumerSequence, nanoseconds, pending] = tokens
    .slice(first, first + 5)
    .map(Number);
  if (pending === undefined || Number.isNaN(pending)) return undefined;
  return {
    deliveryCount: deliveryCount ?? 0,
    streamSequence: streamSequence ?? 0,
    consumerSequence: consumerSequence ?? 0,
    storedAtMs: Math.floor((nanoseconds ?? 0) / 1e6),
    pending,
  };
}
