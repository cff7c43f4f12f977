/** The OBJECTS stream → this node's Node object. */
import { type NodeObject, nodeObjectSchema, type ObjectMessage, objectSubject } from '@signalbox/contracts';
import type { LogBatch } from '@signalbox/event-log';
import type { Logger } from '@signalbox/kit';
import type { StreamReader } from './follow-stream.ts';

interface NodeFeedOptions {
  readonly cluster: string;
  readonly node: string;
  readonly logger: Logger;
  /** Undefined: there is no such node (any more). */
  readonly onNode: (node: NodeObject | undefined) => void;
  /** What the log had of the node has been read; once. */
  readonly onCaughtUp: () => void;
}

export class NodeFeed implements StreamReader {
  readonly stream = 'objects';
  readonly filter: string;
  readonly #options: NodeFeedOptions;
  #isCaughtUp = false;

  constructor(options: NodeFeedOptions) {
    this.#options = options;
    const metadata = { name: options.node, labels: undefined, annotations: undefined };
    this.filter = objectSubject(options.cluster, { kind: 'Node', metadata, spec: {}, status: { conditions: undefined } });
  }

  /** A node that is lost with old tombstones is noticed by the next change only; its rules stay until then. */
  beginReplay(): void {}

  apply({ messages, isCaughtUp }: LogBatch): void {
    for (const { data, subject } of messages) {
      const message = data === null ? undefined : (JSON.parse(data) as ObjectMessage);
      const node = nodeObjectSchema.safeParse(message?.object);
      if (data === null) this.#options.onNode(undefined);
      else if (node.success) this.#options.onNode(node.data);
      else this.#options.logger.warn({ err: node.error, subject }, 'the Node object cannot be read, keeping the last one');
    }
    if (isCaughtUp && !this.#isCaughtUp) this.#options.onCaughtUp();
    this.#isCaughtUp ||= isCaughtUp;
  }
}
