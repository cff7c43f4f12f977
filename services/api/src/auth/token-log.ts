/** Tokens as objects of the event log. */
import {
  type ApiTokenObject,
  INTENT_CLUSTER,
  isSignalboxError,
  type ObjectMessage,
  objectSubject,
  SignalboxError,
  type Token,
  type TokenRequest,
} from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';
import { listObjects, objectAt, type StoredObject, stateRevision } from '@signalbox/store';
import { type ApiDependencies, nowMs } from '../dependencies.ts';
import { hashOfToken, newTokenText } from './token-text.ts';

const TOKEN_STREAMS = ['objects'] as const;
const MAX_TOKENS = 10_000;

/** The text is told here and nowhere else. Throws `conflict` where there is a token of that name. */
export async function createToken(
  api: ApiDependencies,
  { name, scope, classes, expiresInSeconds }: TokenRequest,
): Promise<{ token: Token; text: string }> {
  const log = logOf(api);
  const at = nowMs(api);
  const text = newTokenText(name);
  const expiry = expiresInSeconds === undefined ? {} : { expiresAtMs: at + expiresInSeconds * 1_000 };
  const object: ApiTokenObject = {
    kind: 'ApiToken',
    metadata: { name },
    spec: { scope, classes, hash: hashOfToken(text), ...expiry },
  };
  const last = await log.last('objects', objectSubject(INTENT_CLUSTER, object));
  if (last !== undefined && last.data !== null) {
    throw new SignalboxError('conflict', `there is a token called ${name}; delete it first, or choose another name`);
  }
  const revision = await appendToken(log, object, { last, atMs: at });
  await api.projector.processAll(TOKEN_STREAMS);
  return { token: describeToken({ revision, changedAtMs: at, object }, at), text };
}

export function listTokens(api: ApiDependencies): Token[] {
  const revision = stateRevision(api.store).head;
  const filter = { kind: 'ApiToken', cluster: INTENT_CLUSTER, revision, limit: MAX_TOKENS } as const;
  return listObjects(api.store, filter).map((row) => describeToken(row, nowMs(api)));
}

/** Returns the revision in which it is gone. */
export async function deleteToken(api: ApiDependencies, name: string): Promise<number> {
  const log = logOf(api);
  await api.projector.processAll(TOKEN_STREAMS);
  const key = { kind: 'ApiToken', cluster: INTENT_CLUSTER, namespace: '', name } as const;
  const stored = objectAt(api.store, key, stateRevision(api.store).head);
  if (stored === undefined) throw new SignalboxError('not_found', `there is no token called ${name}`);
  const revision = await log.append('objects', { subject: objectSubject(INTENT_CLUSTER, stored.object), data: null });
  await api.projector.processAll(TOKEN_STREAMS);
  return revision;
}

/** Only onto what was read. Returns the revision. */
export async function appendToken(
  log: Pick<EventLog, 'append'>,
  object: ApiTokenObject,
  { last, atMs }: { last: LogMessage | undefined; atMs: number },
): Promise<number> {
  const message: ObjectMessage = { cluster: INTENT_CLUSTER, resourceVersion: '', changedAtMs: atMs, object };
  const entry = { subject: objectSubject(INTENT_CLUSTER, object), data: JSON.stringify(message) };
  try {
    return await log.append('objects', { ...entry, expectedSequence: last?.sequence ?? 0 });
  } catch (error) {
    if (!isSignalboxError(error, 'conflict')) throw error;
    throw new SignalboxError('conflict', 'somebody else made a token of this name at the same moment', {
      cause: error,
    });
  }
}

function describeToken(
  { revision, changedAtMs, object }: Pick<StoredObject<'ApiToken'>, 'revision' | 'changedAtMs' | 'object'>,
  at: number,
): Token {
  const { scope, classes, expiresAtMs } = object.spec;
  return {
    name: object.metadata.name,
    scope,
    classes,
    createdAt: new Date(changedAtMs).toISOString(),
    expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    isExpired: expiresAtMs !== undefined && expiresAtMs <= at,
    revision,
  };
}

function logOf({ log }: ApiDependencies) {
  if (log === undefined) throw new SignalboxError('unavailable', 'this API cannot write: it has no event log');
  return log;
}
