/** Sees the log while faults happen: no document, watermark or acknowledgement may be of an earlier revision than the last. */
import {
  type Ack,
  type DerivedMessage,
  derivedSubject,
  type ObjectMessage,
  objectSubject,
  type StreamName,
  statusTypeOf,
  type TargetGroupSet,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';
import { CLUSTER, countOfSlice, PROBE, probeSlice } from './cluster.ts';
import type { ProbeHistory } from './probe-history.ts';
import type { Rising } from './rising.ts';
import type { Timeline } from './timeline.ts';

interface LogWatchOptions {
  readonly rising: Rising;
  readonly probes: ProbeHistory;
  readonly timeline: Timeline;
  readonly signal: AbortSignal;
}

interface LogWatch {
  /** Messages seen. */
  readonly events: number;
  /** Whether what each stream holds now has been seen. */
  isCaughtUp(): Promise<boolean>;
}

const WATCHED = ['objects', 'derived', 'targets', 'status'] as const satisfies readonly StreamName[];
/** The probe is asked for in this layer. */
const DNS_WATERMARK = watermarkSubject('dns');
const PROBE_SUBJECT = objectSubject(CLUSTER.name, probeSlice(0));
/** For the timeline. */
const OF_PROBE = new Set([PROBE_SUBJECT, DNS_WATERMARK, derivedSubject('dns', { cluster: CLUSTER.name, ...PROBE })]);
const MAX_TEXT = 400;

/** Until the signal. */
export function watchLog(log: EventLog, { rising, probes, timeline, signal }: LogWatchOptions): LogWatch {
  let events = 0;
  const positions = new Map<StreamName, number>();
  const see = (stream: StreamName, message: LogMessage): void => {
    events += 1;
    if (message.data === null) return;
    const value = JSON.parse(message.data) as unknown;
    if (OF_PROBE.has(message.subject)) timeline.note(`log ${message.subject}`, shortText(message));
    if (message.subject === PROBE_SUBJECT) {
      probes.saw(message.sequence, countOfSlice((value as ObjectMessage).object) ?? -1);
    }
    if (message.subject === DNS_WATERMARK) probes.derived((value as Watermark).revision);
    const revision = revisionOf(stream, message.subject, value);
    if (revision !== undefined) {
      rising.note(`${stream} ${message.subject}`, revision, `${message.sequence} ${message.data}`);
    }
  };
  const follow = async (stream: StreamName): Promise<void> => {
    while (!signal.aborted) {
      const from = positions.get(stream) ?? 'snapshot';
      try {
        for await (const batch of log.follow(stream, { from, signal })) {
          for (const message of batch.messages) see(stream, message);
          positions.set(stream, batch.sequence);
        }
      } catch {
        // The log is away: what is missed meanwhile was replaced by what comes.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  for (const stream of WATCHED) void follow(stream);
  return {
    get events() {
      return events;
    },
    isCaughtUp: async () => {
      const infos = await Promise.all(WATCHED.map((stream) => log.info(stream)));
      return WATCHED.every((stream, i) => (positions.get(stream) ?? 0) >= (infos[i]?.lastSequence ?? 0));
    },
  };
}

function shortText({ sequence, storedAtMs, data }: LogMessage): string {
  return `${sequence} stored at ${new Date(storedAtMs).toISOString().slice(11, 23)} ${data?.slice(0, MAX_TEXT)}`;
}

/** Undefined for what has none. */
function revisionOf(stream: StreamName, subject: string, value: unknown): number | undefined {
  if (stream === 'derived') return (value as DerivedMessage | Watermark).revision;
  if (stream === 'targets') return (value as TargetGroupSet).revision;
  if (stream === 'status' && statusTypeOf(subject) === 'ack') return (value as Ack).revision;
  return undefined;
}
