/** The streams of a log on the server: made, brought up to date, and compared with what was asked for. */
import { createHash } from 'node:crypto';
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { SignalboxError, type StreamName } from '@signalbox/contracts';
import { JS_ERROR, wrapNatsError } from './errors.ts';
import type { LogSubjects } from './subjects.ts';

interface StreamSettings {
  readonly maxBytes: number;
  readonly replicas: number;
}

interface OpenedStreams {
  /** Changes when any of the streams was made anew: their sequences began again. */
  readonly logId: string;
  /** When each was made, as the server tells it. */
  readonly created: ReadonlyMap<string, string>;
}

const STREAMS: readonly (StreamName | 'meta')[] = ['objects', 'derived', 'targets', 'status', 'meta'];
const META_MAX_BYTES = 1024 * 1024;

export async function openStreams(
  manager: JetStreamManager,
  subjects: LogSubjects,
  settings: StreamSettings,
): Promise<OpenedStreams> {
  const created = new Map<string, string>();
  for (const stream of STREAMS) {
    const wanted = wantedConfig(subjects, stream, settings);
    const info = await ensureStream(manager, wanted);
    checkEcho(wanted, info);
    created.set(wanted.name, info.created);
  }
  // Targets are left out, so that a log from before they had a stream stays the same log when it gets one.
  const logId = createHash('sha256')
    .update(JSON.stringify([...created].filter(([name]) => name !== subjects.stream('targets'))))
    .digest('hex')
    .slice(0, 32);
  return { logId, created };
}

type WantedConfig = ReturnType<typeof wantedConfig>;

/**
 * One message per subject and `discard: new`: a full stream refuses a new subject, yet takes a smaller value, or a
 * tombstone, in the place of an older one, because the server counts the message that goes.
 */
function wantedConfig(subjects: LogSubjects, stream: StreamName | 'meta', { maxBytes, replicas }: StreamSettings) {
  return {
    name: subjects.stream(stream),
    subjects: subjects.patterns(stream),
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_age: 0,
    max_bytes: stream === 'meta' ? META_MAX_BYTES : maxBytes,
    num_replicas: replicas,
  };
}

async function ensureStream(manager: JetStreamManager, wanted: WantedConfig): Promise<StreamInfo> {
  try {
    const found = await infoIfThere(manager, wanted.name);
    if (found === undefined) return await manager.streams.add(wanted);
    return differences(wanted, found).length === 0 ? found : await manager.streams.update(wanted.name, wanted);
  } catch (error) {
    throw wrapNatsError(error, `cannot open stream ${wanted.name}`);
  }
}

async function infoIfThere(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JS_ERROR.streamNotFound) return undefined;
    throw error;
  }
}

/** Servers ignore settings that they do not know, or may not change, without a word. */
function checkEcho(wanted: WantedConfig, found: StreamInfo): void {
  const wrong = differences(wanted, found);
  if (wrong.length === 0) return;
  throw new SignalboxError('invalid', `stream ${wanted.name} has other settings than wanted: ${wrong.join(', ')}`);
}

function differences(wanted: WantedConfig, { config }: StreamInfo): string[] {
  const keys = Object.keys(wanted) as (keyof WantedConfig)[];
  return keys
    .filter((key) => JSON.stringify(config[key]) !== JSON.stringify(wanted[key]))
    .map((key) => `${key} is ${JSON.stringify(config[key])}, not ${JSON.stringify(wanted[key])}`);
}
