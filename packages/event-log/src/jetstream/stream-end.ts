/** How far a stream goes, by the word of its leader. */
import { JetStreamApiError } from '@nats-io/jetstream';
import type { StreamName } from '@signalbox/contracts';
import { expiredPosition } from '../checks.ts';
import type { LogContext } from './context.ts';
import { JS_ERROR } from './errors.ts';
import { isSameStream } from './identity.ts';

/** Throws `expired` when it is not the stream any more of which somebody has read up to `position`. */
export async function lastSequence(context: LogContext, stream: StreamName, position: number): Promise<number> {
  const { manager, subjects, created } = context;
  const name = subjects.stream(stream);
  const replaced = () => expiredPosition(stream, position, 'is of a stream that was deleted since');
  try {
    const info = await manager.streams.info(name);
    if (!isSameStream(created.get(name), info)) throw replaced();
    return info.state.last_seq;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JS_ERROR.streamNotFound) throw replaced();
    throw error;
  }
}

/** Of the last message whose subject matches a pattern of the server; 0 when there is none. */
export async function lastMatching(context: LogContext, stream: StreamName, subject: string): Promise<number> {
  const { manager, subjects } = context;
  const message = await manager.streams.getMessage(subjects.stream(stream), { last_by_subj: subject });
  return message?.seq ?? 0;
}
