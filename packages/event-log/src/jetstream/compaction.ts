/**
 * Removes old tombstones: finds them by a read without data, announces how far it will go, waits, and deletes each by its
 * sequence, so that a subject that got a value meanwhile keeps it. A crash after the announcement loses nothing: followers
 * from below take a snapshot that they would not have needed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import type { StreamName } from '@signalbox/contracts';
import type { LogBatch } from '../event-log.ts';
import { type LogContext, raiseCompactionMark } from './context.ts';
import { JS_ERROR } from './errors.ts';
import { COMPACTION_GRACE_MS } from './follower.ts';

const DELETES_IN_FLIGHT = 64;

/** `replay` gives the stream from its beginning, without data. */
export async function compactStream(
  context: LogContext,
  stream: StreamName,
  storedBeforeMs: number,
  replay: AsyncIterable<LogBatch>,
): Promise<number> {
  const sequences = await oldTombstones(replay, storedBeforeMs);
  const last = sequences.at(-1);
  if (last === undefined) return 0;
  await raiseCompactionMark(context, stream, last);
  await sleep(COMPACTION_GRACE_MS);
  let deleted = 0;
  for (let i = 0; i < sequences.length; i += DELETES_IN_FLIGHT) {
    const some = sequences.slice(i, i + DELETES_IN_FLIGHT);
    const results = await Promise.all(some.map((sequence) => deleteMessage(context, stream, sequence)));
    deleted += results.filter(Boolean).length;
  }
  return deleted;
}

async function oldTombstones(replay: AsyncIterable<LogBatch>, storedBeforeMs: number): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { messages, isCaughtUp } of replay) {
    const old = messages.filter((message) => message.storedAtMs < storedBeforeMs);
    for (const { data, sequence } of old) if (data === null) sequences.push(sequence);
    if (isCaughtUp || old.length < messages.length) break;
  }
  return sequences;
}

/** False when it was replaced, or another process deleted it. */
async function deleteMessage({ manager, subjects }: LogContext, stream: StreamName, sequence: number) {
  try {
    return await manager.streams.deleteMessage(subjects.stream(stream), sequence, false);
  } catch (error) {
    if (error instanceof JetStreamApiError && GONE.has(error.code)) return false;
    throw error;
  }
}

const GONE: ReadonlySet<number> = new Set([
  JS_ERROR.messageNotFound,
  JS_ERROR.sequenceNotFound,
  JS_ERROR.messageDeleteFailed,
]);
