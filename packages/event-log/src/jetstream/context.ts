/** What the parts of a JetStream log share. */

import type { JetStreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { SignalboxError, type StreamName } from '@signalbox/contracts';
import { wrapNatsError } from './errors.ts';
import type { LogSubjects } from './subjects.ts';

export interface LogContext {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly subjects: LogSubjects;
  /** Stream name on the server → when it was made. */
  readonly created: ReadonlyMap<string, string>;
  readonly newInbox: () => string;
  readonly isConnected: () => boolean;
  readonly onConsumerLost: () => void;
  /** A follower to which nothing came for this long asks whether that is right. */
  readonly selfCheckMs: number;
}

/** How far the tombstones of a stream were compacted, and the sequence of the message in the meta stream that says so. */
interface CompactionMark {
  readonly compactedTo: number;
  readonly sequence: number;
}

export async function readCompactionMark(context: LogContext, stream: StreamName): Promise<CompactionMark> {
  const { manager, subjects } = context;
  const query = { last_by_subj: subjects.compacted(stream) };
  const message = await manager.streams.getMessage(subjects.stream('meta'), query);
  return { compactedTo: parseMark(message?.string()), sequence: message?.seq ?? 0 };
}

/** Raises the mark. All followers hear of it, because they subscribe to its subject. */
export async function raiseCompactionMark(context: LogContext, stream: StreamName, compactedTo: number): Promise<void> {
  const mark = await readCompactionMark(context, stream);
  if (mark.compactedTo >= compactedTo) return;
  const expectation = headers();
  expectation.set('Nats-Expected-Last-Subject-Sequence', String(mark.sequence));
  const body = JSON.stringify({ compactedTo });
  const reply = await context.connection.request(context.subjects.compacted(stream), body, {
    timeout: 5000,
    headers: expectation,
  });
  const ack = reply.json<{ error?: { description?: string } }>();
  if (ack.error === undefined) return;
  // Another process compacts at the same time.
  throw new SignalboxError('conflict', `cannot compact the ${stream} stream: ${ack.error.description}`);
}

/** Calls back with the mark of each compaction, from any process, before the first tombstone goes. */
export async function watchCompactions(
  { connection, subjects }: Pick<LogContext, 'connection' | 'subjects'>,
  onCompaction: (stream: string, compactedTo: number) => void,
): Promise<void> {
  const pattern = subjects.compacted('*');
  let refusal: Error | undefined;
  connection.subscribe(pattern, {
    callback: (error, message) => {
      if (error === null) onCompaction(message.subject.slice(pattern.length - 1), parseMark(message.string()));
      else refusal = error;
    },
  });
  await connection.flush();
  if (refusal !== undefined) throw wrapNatsError(refusal, `cannot subscribe to ${pattern}`);
}

function parseMark(text: string | undefined): number {
  if (text === undefined) return 0;
  const { compactedTo } = JSON.parse(text) as { compactedTo?: unknown };
  return typeof compactedTo === 'number' ? compactedTo : 0;
}
