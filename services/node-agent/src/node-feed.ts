/** The OBJECTS stream → this node's Node object. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type NodeObject, nodeObjectSchema, type ObjectMessage, objectSubject } from '@signalbox/contracts';
import type { EventLog, LogBatch, LogMessage } from '@signalbox/event-log';
import type { Logger, StreamReader } from '@signalbox/kit';

const RETRY_MS = 1_000;

interface NodeFeedOptions {
  readonly cluster: string;
  readonly node: string;
  readonly logger: Logger;
  /** Undefined: there is no such node (any more). */
  readonly onNode: (node: NodeObject | undefined) => void;
}

export class NodeFeed implements StreamReader {
  readonly stream = 'objects';
  readonly filter: string;
  readonly #options: NodeFeedOptions;
  #sequence = 0;

  constructor(options: NodeFeedOptions) {
    this.#options = options;
    const metadata = { name: options.node, labels: undefined, annotations: undefined };
    this.filter = objectSubject(options.cluster, {
      kind: 'Node',
      metadata,
      spec: {},
      status: { conditions: undefined },
    });
  }

  /** A node that is lost with old tombstones is noticed by the next change only; its rules stay until then. */
  beginReplay(): void {
    this.#sequence = 0;
  }

  apply({ messages }: LogBatch): void {
    for (const message of messages) this.#read(message);
  }

  /** Asks the log for the object, until there is an answer. */
  async ask(log: EventLog, signal: AbortSignal): Promise<void> {
    const { logger, node } = this.#options;
    while (!signal.aborted) {
      try {
        const message = await log.last('objects', this.filter);
        if (message !== undefined) this.#read(message);
        else logger.warn({ node }, 'there is no such node: zone and addresses are unknown');
        return;
      } catch (err) {
        logger.warn({ err }, 'the Node object cannot be asked for, trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** What was asked for is not told twice. */
  #read({ data, subject, sequence }: LogMessage): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    if (data === null) {
      this.#options.onNode(undefined);
      return;
    }
    const node = nodeObjectSchema.safeParse((JSON.parse(data) as ObjectMessage).object);
    if (node.success) this.#options.onNode(node.data);
    else
      this.#options.logger.warn({ err: node.error, subject }, 'the Node object cannot be read, keeping the last one');
  }
}
