/**
 * The streams of a log on the server: made, brought up to date, and compared with what was asked for.
 *
 * Some settings are what the log is (one message per subject, subjects, retention): every opener demands them. The others
 * are wishes of whoever runs it: what is not named is left as it was found. Servers ignore what they do not know, or may
 * not change, without a word; so what they echo is read, and what differs is named.
 */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { errorText, SignalboxError, STREAM_SUBJECTS, type StreamName } from '@signalbox/contracts';
import { DEFAULT_MAX_BYTES } from '../event-log.ts';
import { JS_ERROR, wrapNatsError } from './errors.ts';
import type { OpenedStreams } from './identity.ts';
import type { LogSubjects } from './subjects.ts';

export const DISCARD_POLICIES = ['new', 'old'] as const;
export type Discard = (typeof DISCARD_POLICIES)[number];

/** Of all streams of the log. What is absent is set when a stream is made, and left alone later. */
export interface StreamWishes {
  /** Copies of each stream in a cluster. Made with 1. */
  readonly replicas?: number;
  /** Per stream. Made with 2 GiB. */
  readonly maxBytes?: number;
  /** A full stream refuses appends (`new`), or drops its oldest values (`old`): then it is no longer the whole state. Made with `new`. */
  readonly discard?: Discard;
  /** How long the server remembers message ids. Nothing here uses them, and each costs it memory. Made with 2 minutes. */
  readonly duplicateWindowMs?: number;
}

interface OpenStreamsOptions {
  readonly wishes: StreamWishes;
  /** Whether streams may be made and changed; else they must be there, and are taken as they are. */
  readonly isManager: boolean;
}

const STREAMS: readonly (StreamName | 'meta')[] = [...(Object.keys(STREAM_SUBJECTS) as StreamName[]), 'meta'];
const META_MAX_BYTES = 1024 * 1024;
const DEFAULT_DUPLICATE_WINDOW_MS = 120_000;

/** Throws `unavailable` when a stream is missing that others make, `invalid` when one cannot be as wanted. */
export async function openStreams(
  manager: JetStreamManager,
  subjects: LogSubjects,
  { wishes, isManager }: OpenStreamsOptions,
): Promise<OpenedStreams> {
  const opened = new Map<string, StreamInfo>();
  for (const stream of STREAMS) {
    const name = subjects.stream(stream);
    const essence = essenceOf(subjects, stream);
    const wanted = { ...essence, ...wishedConfig(stream, wishes) };
    const info = isManager ? await ensureStream(manager, name, { wanted, stream }) : await findStream(manager, name);
    checkEcho(name, isManager ? wanted : essence, info);
    opened.set(name, info);
  }
  return opened;
}

type WantedConfig = Partial<StreamConfig>;

/**
 * One message per subject. With `discard: new` a full stream refuses a new subject, yet takes a smaller value, or a
 * tombstone, in the place of an older one, because the server counts the message that goes.
 */
function essenceOf(subjects: LogSubjects, stream: StreamName | 'meta'): WantedConfig {
  return {
    subjects: subjects.patterns(stream),
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_age: 0,
  };
}

function wishedConfig(stream: StreamName | 'meta', wishes: StreamWishes): WantedConfig {
  const { replicas, maxBytes, discard, duplicateWindowMs } = wishes;
  return {
    ...(replicas !== undefined && { num_replicas: replicas }),
    ...(maxBytes !== undefined && stream !== 'meta' && { max_bytes: maxBytes }),
    ...(discard !== undefined && { discard: discard === 'new' ? DiscardPolicy.New : DiscardPolicy.Old }),
    ...(duplicateWindowMs !== undefined && { duplicate_window: nanos(duplicateWindowMs) }),
  };
}

function defaultsOf(stream: StreamName | 'meta'): WantedConfig {
  return {
    num_replicas: 1,
    max_bytes: stream === 'meta' ? META_MAX_BYTES : DEFAULT_MAX_BYTES,
    discard: DiscardPolicy.New,
    duplicate_window: nanos(DEFAULT_DUPLICATE_WINDOW_MS),
  };
}

async function ensureStream(
  manager: JetStreamManager,
  name: string,
  { wanted, stream }: { wanted: WantedConfig; stream: StreamName | 'meta' },
): Promise<StreamInfo> {
  try {
    const found = await infoIfThere(manager, name);
    if (found === undefined) return await manager.streams.add({ ...defaultsOf(stream), ...wanted, name });
    return differences(wanted, found).length === 0 ? found : await manager.streams.update(name, wanted);
  } catch (error) {
    throw streamError(error, name);
  }
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo> {
  try {
    const found = await infoIfThere(manager, name);
    if (found !== undefined) return found;
  } catch (error) {
    throw streamError(error, name);
  }
  throw new SignalboxError(
    'unavailable',
    `stream ${name} is not there yet: the api-watcher, the api and workers make it`,
  );
}

async function infoIfThere(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JS_ERROR.streamNotFound) return undefined;
    throw error;
  }
}

const REMEDIES: Readonly<Record<number, string>> = {
  [JS_ERROR.noPeers]: 'the cluster has too few servers with room: add some, or ask for fewer replicas or bytes',
  [JS_ERROR.replicasWithoutCluster]: 'this server is no cluster: ask for 1 replica',
  [JS_ERROR.insufficientResources]: 'give JetStream more storage (max_file_store), or ask for fewer bytes',
  [JS_ERROR.storageExceeded]: 'give JetStream more storage (max_file_store), or ask for fewer bytes',
  [JS_ERROR.notEnabled]: 'start nats-server with JetStream (--jetstream)',
  [JS_ERROR.notEnabledForAccount]: "enable JetStream for the user's account",
  [JS_ERROR.subjectsOverlap]: 'another stream stores these subjects: choose another prefix, or remove that stream',
};

function streamError(error: unknown, name: string): SignalboxError {
  const wrapped = wrapNatsError(error, `cannot open stream ${name}`);
  const remedy = error instanceof JetStreamApiError ? REMEDIES[error.code] : remedyOfClientError(error);
  if (remedy === undefined) return wrapped;
  return new SignalboxError(wrapped.code, `${wrapped.message}; ${remedy}`, { cause: error });
}

/** Without JetStream, and in a cluster without a leader, nobody answers its subjects at all. */
function remedyOfClientError(error: unknown): string | undefined {
  return /no responders/.test(errorText(error)) ? REMEDIES[JS_ERROR.notEnabled] : undefined;
}

const SETTING_OF: Partial<Record<keyof StreamConfig, string>> = {
  num_replicas: 'replicas',
  max_bytes: 'max bytes',
  discard: 'discard',
  duplicate_window: 'duplicate window',
};

function checkEcho(name: string, wanted: WantedConfig, found: StreamInfo): void {
  const wrong = differences(wanted, found);
  if (wrong.length === 0) return;
  const reason = `stream ${name} has other settings than wanted, and the server does not change them: ${wrong.join(', ')}`;
  throw new SignalboxError('invalid', `${reason}; use another prefix, or remove the stream`);
}

function differences(wanted: WantedConfig, { config }: StreamInfo): string[] {
  const keys = Object.keys(wanted) as (keyof WantedConfig)[];
  return keys
    .filter((key) => JSON.stringify(config[key]) !== JSON.stringify(wanted[key]))
    .map((key) => `${SETTING_OF[key] ?? key} is ${JSON.stringify(config[key])}, not ${JSON.stringify(wanted[key])}`);
}
