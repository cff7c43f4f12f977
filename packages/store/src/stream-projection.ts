/**
 * What each stream of the log does to the store. Two modes:
 *
 *     resync   the last message of every subject is replayed; changes are not told one by one; at the end whatever was
 *              not in the replay is gone, and history before that moment is not known
 *     follow   every message is a change
 *
 * All methods run inside the transaction of their batch.
 */
import { type StreamName, statusTypeOf } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { ChangeFeed } from './change-feed.ts';
import { raiseHistoryHorizon } from './settings.ts';
import type { Store } from './store.ts';
import { ackSubjectKey, removeOtherAcks, writeAck } from './write-acks.ts';
import { derivedWriter, documentSubjectKey } from './write-documents.ts';
import { driftSubjectKey, removeOtherDrift, writeDrift } from './write-drift.ts';
import { objectSubjectKey, objectWriter } from './write-objects.ts';
import { removeOtherStatuses, statusSubjectKey, writeStatus } from './write-statuses.ts';

/** Who does what is of no interest to readers of the state. */
export type ProjectedStream = Exclude<StreamName, 'leases'>;

export interface StreamProjection {
  readonly stream: ProjectedStream;
  beginResync(): void;
  replay(message: LogMessage): void;
  /** The replay reached the end of the stream as it was, at this sequence. */
  endResync(sequence: number): void;
  follow(message: LogMessage): void;
}

export function streamProjections(store: Store, feed: ChangeFeed): StreamProjection[] {
  return [objectsProjection(store, feed), derivedProjection(store, feed), statusProjection(store, feed)];
}

function objectsProjection(store: Store, feed: ChangeFeed): StreamProjection {
  const writer = objectWriter(store);
  let seen = new Set<string>();
  return {
    stream: 'objects',
    beginResync: () => {
      seen = new Set();
    },
    replay: (message) => {
      writer.apply(message);
      if (message.data !== null) seen.add(objectSubjectKey(message.subject));
    },
    endResync: (sequence) => {
      writer.removeOthers(seen, sequence);
      raiseHistoryHorizon(store, sequence);
      feed.reset('the objects were read again', sequence);
      seen = new Set();
    },
    follow: (message) => {
      const change = writer.apply(message);
      if (change !== undefined) feed.record('object', change);
    },
  };
}

function derivedProjection(store: Store, feed: ChangeFeed): StreamProjection {
  const writer = derivedWriter(store);
  let seen = new Set<string>();
  /** Held back, so that what is answered changes at once and not while the replay goes on. */
  let watermarks: LogMessage[] = [];
  let newestDocument = 0;
  return {
    stream: 'derived',
    beginResync: () => {
      [seen, watermarks, newestDocument] = [new Set(), [], 0];
    },
    replay: (message) => {
      const key = documentSubjectKey(message.subject);
      if (key === undefined) {
        watermarks.push(message);
        return;
      }
      const change = writer.apply(message);
      if (change?.event === 'document') newestDocument = Math.max(newestDocument, change.data.revision);
      if (message.data !== null) seen.add(key);
    },
    endResync: () => {
      writer.removeOthers(seen);
      const revisions = watermarks.map((message) => writer.apply(message)?.data.revision ?? 0);
      const revision = Math.max(newestDocument, ...revisions);
      raiseHistoryHorizon(store, revision);
      feed.reset('the documents were read again', revision);
      [seen, watermarks] = [new Set(), []];
    },
    follow: (message) => {
      const change = writer.apply(message);
      if (change !== undefined) feed.record(change.event, change.data);
    },
  };
}

/**
 * Statuses have no history and are few, so they are always replayed; only those of sources that differ are told as changes.
 * What is of no type known here is another reader's.
 */
function statusProjection(store: Store, feed: ChangeFeed): StreamProjection {
  let seen = new Set<string>();
  let seenAcks = new Set<string>();
  let seenDrift = new Set<string>();
  const follow = (message: LogMessage): void => {
    const type = statusTypeOf(message.subject);
    if (type === 'ack') writeAck(store, message);
    if (type === 'drift') writeDrift(store, message);
    if (type !== 'source') return;
    const status = writeStatus(store, message);
    if (status !== undefined) feed.record('status', status);
  };
  return {
    stream: 'status',
    beginResync: () => {
      [seen, seenAcks, seenDrift] = [new Set(), new Set(), new Set()];
    },
    replay: (message) => {
      follow(message);
      if (message.data === null) return;
      const type = statusTypeOf(message.subject);
      if (type === 'ack') seenAcks.add(ackSubjectKey(message.subject));
      if (type === 'drift') seenDrift.add(driftSubjectKey(message.subject));
      if (type === 'source') seen.add(statusSubjectKey(message.subject));
    },
    endResync: () => {
      removeOtherStatuses(store, seen);
      removeOtherAcks(store, seenAcks);
      removeOtherDrift(store, seenDrift);
      [seen, seenAcks, seenDrift] = [new Set(), new Set(), new Set()];
    },
    follow,
  };
}
