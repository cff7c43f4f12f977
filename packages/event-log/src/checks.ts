/** What both adapters refuse in the same words, before anything is stored. */
import { SignalboxError, STREAM_SUBJECTS, type StreamName, subjectMatches } from '@signalbox/contracts';
import type { AppendEntry } from './event-log.ts';

const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;
const FILTER = /^(\*|>|[^\s.*>]+)(\.(\*|[^\s.*>]+))*(\.>)?$/;
const DURABLE = /^[\w-]{1,64}$/;

export function checkEntry(stream: StreamName, { subject, data, headers }: AppendEntry): void {
  if (!SUBJECT.test(subject) || !STREAM_SUBJECTS[stream].some((pattern) => subjectMatches(pattern, subject))) {
    throw new SignalboxError('invalid', `not a subject of the ${stream} stream: ${JSON.stringify(subject)}`);
  }
  if (headers !== undefined && !Object.entries(headers).every(isHeader)) {
    throw new SignalboxError('invalid', `headers of ${subject} may hold [a-z0-9-] = visible ASCII only`);
  }
  if (data === '') throw new SignalboxError('invalid', `data of ${subject} is empty: a tombstone is null`);
}

function isHeader([name, value]: readonly [string, string]): boolean {
  return /^[a-z][a-z0-9-]{0,63}$/.test(name) && !name.startsWith('nats-') && /^[!-~]([ -~]*[!-~])?$/.test(value);
}

export function checkFilter(filter: string | undefined): void {
  if (filter === undefined || (FILTER.test(filter) && !/^>./.test(filter))) return;
  throw new SignalboxError('invalid', `not a subject pattern: ${JSON.stringify(filter)}`);
}

export function checkDurable(name: string): void {
  if (DURABLE.test(name)) return;
  throw new SignalboxError(
    'invalid',
    `name of a durable position may hold letters, digits, _ and -, not ${JSON.stringify(name)}`,
  );
}

/** Thrown to a follower whose position is below what was compacted, or beyond the log's end. */
export function expiredPosition(stream: StreamName, position: number, reason: string): SignalboxError {
  return new SignalboxError('expired', `sequence ${position} of the ${stream} stream ${reason}: start from a snapshot`);
}

export function closedLog(): SignalboxError {
  return new SignalboxError('unavailable', 'the event log is closed');
}
