/**
 * What each stream of the log does to the store. Two modes:
 *
 *     resync   the last message of every subject is replayed; changes are not told one by one; at the end whatever was
 *              not in the replay is gone, and history before that moment is not known
 *     follow   every message is a change
 *
 * All methods run inside the transaction of their batch.
 */
import { type ChangeData, type ChangeEvent, type StreamName, statusTypeOf } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { ChangeFeed } from './change-feed.ts';
import { LateWatermarks } from './late-watermarks.ts';
import { raiseHistoryHorizon, targetsRevision } from './settings.ts';
import type { Store } from './store.ts';
import { ackSubjectKey, ackWriter, removeOtherAcks } from './write-acks.ts';
import { derivedWriter, documentSubjectKey } from './write-documents.ts';
import { driftSubjectKey, removeOtherDrift, writeDrift } from './write-drift.ts';
import { groupReportSubjectKey, removeOtherGroupReports, writeGroupReport } from './write-group-reports.ts';
import { leaseSubjectKey, removeOtherLeases, writeLease } from './write-leases.ts';
import { objectSubjectKey, objectWriter } from './write-objects.ts';
import { removeOtherStatuses, statusSubjectKey, writeStatus } from './write-statuses.ts';
import { removeOtherTargets, targetsSubjectKey, writeTargets } from './write-targets.ts';

/** Who does what is of no interest to readers of the state. */
export type ProjectedStream = Exclude<StreamName, 'leases'>;

interface FollowContext {
  /** Its batch is caught up (see `LogBatch`), so what it says of the stream is true at once. */
  readonly isWhole: boolean;
  /** All that the stream held up to here was read before. */
  readonly readTo: number;
}

export interface StreamProjection {
  readonly stream: ProjectedStream;
  beginResync(): void;
  replay(message: LogMessage): void;
  /** The replay reached the end of the stream as it was, at this sequence. */
  endResync(sequence: number): void;
  follow(message: LogMessage, context: FollowContext): void;
  /** Called when the batches up to here, some of them not whole, are. */
  endBatch?(): void;
}

export function streamProjections(store: Store, feed: ChangeFeed): StreamProjection[] {
  return [
    objectsProjection(store, feed),
    derivedProjection(store, feed),
    targetsProjection(store, feed),
    statusProjection(store, feed),
  ];
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
      writer.apply(message, message.sequence - 1);
      if (message.data !== null) seen.add(objectSubjectKey(message.subject));
    },
    endResync: (sequence) => {
      writer.removeOthers(seen, sequence);
      raiseHistoryHorizon(store, sequence);
      feed.reset('the objects were read again', sequence);
      seen = new Set();
    },
    follow: (message, { readTo }) => {
      const change = writer.apply(message, readTo);
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
  const late = new LateWatermarks();
  const tell = (message: LogMessage): void => {
    const change = writer.apply(message);
    if (change !== undefined) feed.record(change.event, change.data);
  };
  return {
    stream: 'derived',
    beginResync: () => {
      [seen, watermarks, newestDocument] = [new Set(), [], 0];
      late.clear();
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
    follow: (message, { isWhole }) => {
      const isWatermark = documentSubjectKey(message.subject) === undefined;
      if (isWatermark && !isWhole) late.put(message);
      else tell(message);
    },
    endBatch: () => {
      for (const watermark of late.take()) tell(watermark);
    },
  };
}

/** Only the present is kept of target groups. */
function targetsProjection(store: Store, feed: ChangeFeed): StreamProjection {
  let seen = new Set<string>();
  /** Held back while groups may be missing that it covers. */
  let watermark: LogMessage | undefined;
  const tell = (message: LogMessage): void => {
    const change = writeTargets(store, message);
    if (change !== undefined) feed.record(change.event, change.data);
  };
  return {
    stream: 'targets',
    beginResync: () => {
      [seen, watermark] = [new Set(), undefined];
    },
    replay: (message) => {
      const key = targetsSubjectKey(message.subject);
      if (key === undefined) {
        watermark = message;
        return;
      }
      writeTargets(store, message);
      if (message.data !== null) seen.add(key);
    },
    endResync: (sequence) => {
      removeOtherTargets(store, seen, sequence);
      if (watermark !== undefined) writeTargets(store, watermark);
      feed.reset('the target groups were read again', targetsRevision(store) ?? 0);
      [seen, watermark] = [new Set(), undefined];
    },
    follow: (message, { isWhole }) => {
      if (!isWhole && targetsSubjectKey(message.subject) === undefined) watermark = message;
      else tell(message);
    },
    endBatch: () => {
      if (watermark !== undefined) tell(watermark);
      watermark = undefined;
    },
  };
}

/** What one type of status does to the store. */
interface StatusWriter {
  write(message: LogMessage): void;
  keyOf(subject: string): string;
  removeOthers(kept: ReadonlySet<string>): void;
}

/**
 * Statuses have no history and are few, so they are always replayed; only those that differ are told as changes.
 * What is of no type known here is another reader's.
 */
function statusProjection(store: Store, feed: ChangeFeed): StreamProjection {
  const writers = statusWriters(store, feed);
  let seen = new Map<string, Set<string>>();
  const follow = (message: LogMessage): void => writers.get(statusTypeOf(message.subject))?.write(message);
  return {
    stream: 'status',
    beginResync: () => {
      seen = new Map([...writers.keys()].map((type) => [type, new Set()]));
    },
    replay: (message) => {
      follow(message);
      if (message.data === null) return;
      const type = statusTypeOf(message.subject);
      const writer = writers.get(type);
      if (writer !== undefined) seen.get(type)?.add(writer.keyOf(message.subject));
    },
    endResync: () => {
      for (const [type, writer] of writers) writer.removeOthers(seen.get(type) ?? new Set());
      seen = new Map();
    },
    follow,
  };
}

/** By type of status. */
function statusWriters(store: Store, feed: ChangeFeed): ReadonlyMap<string, StatusWriter> {
  const told = <Event extends ChangeEvent>(event: Event, change: ChangeData<Event> | undefined): void => {
    if (change !== undefined) feed.record(event, change);
  };
  return new Map<string, StatusWriter>([
    [
      'source',
      {
        write: (message) => told('status', writeStatus(store, message)),
        keyOf: statusSubjectKey,
        removeOthers: (kept) => removeOtherStatuses(store, kept),
      },
    ],
    [
      'ack',
      {
        write: ackWriter(store),
        keyOf: ackSubjectKey,
        removeOthers: (kept) => removeOtherAcks(store, kept),
      },
    ],
    [
      'drift',
      {
        write: (message) => writeDrift(store, message),
        keyOf: driftSubjectKey,
        removeOthers: (kept) => removeOtherDrift(store, kept),
      },
    ],
    [
      'group',
      {
        write: (message) => told('report', writeGroupReport(store, message)),
        keyOf: groupReportSubjectKey,
        removeOthers: (kept) => removeOtherGroupReports(store, kept),
      },
    ],
    [
      'lease',
      {
        write: (message) => told('lease', writeLease(store, message)),
        keyOf: leaseSubjectKey,
        removeOthers: (kept) => removeOtherLeases(store, kept),
      },
    ],
  ]);
}
