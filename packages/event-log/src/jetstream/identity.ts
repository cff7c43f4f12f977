/**
 * Which log this is: a message in the meta stream, written by whoever opens the streams first, by compare-and-swap.
 *
 * The server's own word would not do. When several processes make the same stream of a cluster at once, each server of the
 * cluster may keep another of these moments as the time at which the stream was made (seen with 2.9.10), and after a change
 * of its leader the stream tells another time. So times that are close mean the same stream.
 */
import { createHash } from 'node:crypto';
import { JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { SignalboxError } from '@signalbox/contracts';
import { JS_ERROR } from './errors.ts';
import type { LogSubjects } from './subjects.ts';

export interface LogIdentity {
  /** Changes when any of the streams was made anew: their sequences began again. */
  readonly logId: string;
  /** Stream name on the server → when it was made. */
  readonly created: ReadonlyMap<string, string>;
}

/** By name on the server. */
export type OpenedStreams = ReadonlyMap<string, StreamInfo>;

interface IdentityContext {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly subjects: LogSubjects;
}

/** In a cluster: requests that were answered by making one stream are never so far apart. */
const SAME_STREAM_MS = 10_000;
const MAX_ATTEMPTS = 10;
const REQUEST_TIMEOUT_MS = 5000;

/** `created` is what the identity says of the stream. A server that is alone tells one time for ever. */
export function isSameStream(created: string | undefined, info: StreamInfo): boolean {
  if (created === undefined || info.cluster === undefined) return created === info.created;
  return Math.abs(Date.parse(created) - Date.parse(info.created)) < SAME_STREAM_MS;
}

/**
 * All who open these streams get the same. Throws `unavailable` while it has to be written anew, and `isManager` says that
 * others do that.
 */
export async function agreeOnIdentity(
  context: IdentityContext,
  found: OpenedStreams,
  isManager: boolean,
): Promise<LogIdentity> {
  for (let attempt = 1; ; attempt += 1) {
    const { identity, sequence } = await readIdentity(context);
    if (identity !== undefined && isOf(identity, [...found])) return identity;
    // A log from before there was such a message: its first manager will write the same.
    if (!isManager && identity === undefined) return nextIdentity(identity, found, context.subjects);
    if (!isManager || attempt > MAX_ATTEMPTS) {
      throw new SignalboxError('unavailable', 'which log this is has not been written yet: those who make streams do');
    }
    await writeIdentity(context, nextIdentity(identity, found, context.subjects), sequence);
  }
}

function isOf({ created }: LogIdentity, streams: readonly (readonly [string, StreamInfo])[]): boolean {
  return streams.every(([name, info]) => isSameStream(created.get(name), info));
}

/** A log that gets one more stream stays the same log. */
function nextIdentity(known: LogIdentity | undefined, found: OpenedStreams, subjects: LogSubjects): LogIdentity {
  const knownStreams = [...found].filter(([name]) => known?.created.has(name));
  const times = [...found].map(([name, { created }]): [string, string] => [name, created]);
  if (known !== undefined && isOf(known, knownStreams)) {
    return { logId: known.logId, created: new Map([...times, ...known.created]) };
  }
  // As ids were made before there was a message: a log from before the targets had a stream keeps its id as well.
  const named = times.filter(([name]) => name !== subjects.stream('targets'));
  const logId = createHash('sha256').update(JSON.stringify(named)).digest('hex').slice(0, 32);
  return { logId, created: new Map(times) };
}

/** Right after the stream was made, a server of the cluster may not have heard of it: to it that is no error that stays. */
async function readIdentity({ manager, subjects }: IdentityContext) {
  const name = subjects.stream('meta');
  const message = await manager.streams
    .getMessage(name, { last_by_subj: subjects.identity })
    .catch((cause: unknown) => {
      const isUnknown = cause instanceof JetStreamApiError && cause.code === JS_ERROR.streamNotFound;
      throw isUnknown ? new SignalboxError('unavailable', `stream ${name} is not there yet`, { cause }) : cause;
    });
  return { identity: parseIdentity(message?.string() ?? '{}'), sequence: message?.seq ?? 0 };
}

/** What cannot be read is written anew. */
function parseIdentity(text: string): LogIdentity | undefined {
  const { logId, created } = JSON.parse(text) as { logId?: unknown; created?: unknown };
  if (typeof logId !== 'string' || typeof created !== 'object' || created === null) return undefined;
  return { logId, created: new Map(Object.entries(created as Record<string, string>)) };
}

/** Whether it was stored, or another's was: reading again tells. */
async function writeIdentity(
  { connection, subjects }: IdentityContext,
  { logId, created }: LogIdentity,
  expectedSequence: number,
): Promise<void> {
  const expectation = headers();
  expectation.set('Nats-Expected-Last-Subject-Sequence', String(expectedSequence));
  const body = JSON.stringify({ logId, created: Object.fromEntries(created) });
  await connection.request(subjects.identity, body, { timeout: REQUEST_TIMEOUT_MS, headers: expectation });
}
