/** Intents as the API keeps them: checked, appended to the event log, and read back from the store. */
import {
  INTENT_CLUSTER,
  INTENT_KINDS,
  type IntentKind,
  type IntentObject,
  isLoadBalancerIntentKind,
  isSignalboxError,
  type LoadBalancerIntent,
  type LoadBalancerIntentKind,
  type LoadBalancerPolicyObject,
  type ObjectMessage,
  objectSubject,
  SignalboxError,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { listObjects, objectAt, type Place, type Store, type StoredObject, stateRevision } from '@signalbox/store';
import { checkIntent, intentsInZone } from '@signalbox/zones';
import { checkLoadBalancerIntent } from './check-load-balancer-intent.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Precondition } from './precondition.ts';
import { problemOf, RequestProblem } from './problem.ts';
import { requireCaughtUp } from './state.ts';
import { Turns } from './turns.ts';

type AnyIntentKind = IntentKind | LoadBalancerIntentKind;
type AnyIntent = IntentObject | LoadBalancerIntent;
type IntentOf<Kind extends AnyIntentKind> = Extract<AnyIntent, { kind: Kind }>;

/** Of either kind; `Intent` and `LoadBalancerIntentItem` are this. */
export interface StoredIntent<Object extends AnyIntent = AnyIntent> {
  readonly revision: number;
  readonly changedAt: string;
  readonly intent: Object;
}

const INTENT_STREAMS = ['objects'] as const;
const CHUNK = 1_000;
const MAX_CLUSTERS = 10_000;

/**
 * An intent is checked against all others, so each is checked when all that the log holds are in the store, whichever
 * replica took them. NOTE: turns are taken within one process. Of several APIs on one log two may at the same moment take
 * what contradicts; compilers then decide as they do for Services.
 */
const turnsOf = new WeakMap<Store, Turns>();

function inTurn<Result>({ store, projector }: ApiDependencies, work: () => Promise<Result>): Promise<Result> {
  const turns = turnsOf.get(store) ?? new Turns();
  turnsOf.set(store, turns);
  return turns.take(async () => {
    await projector.processAll(INTENT_STREAMS);
    return await work();
  });
}

/** Newest revision in the store; whether layers have derived it does not matter to intents. */
export function intentRevision(api: ApiDependencies): number {
  requireCaughtUp(api);
  return stateRevision(api.store).head;
}

export function readIntent<Kind extends AnyIntentKind>(
  api: ApiDependencies,
  kind: Kind,
  name: string,
): StoredIntent<IntentOf<Kind>> {
  const found = findIntent(api, kind, name);
  if (found === undefined) throw new SignalboxError('not_found', `there is no ${kind} called ${name}`);
  return found;
}

export function findIntent<Kind extends AnyIntentKind>(
  api: ApiDependencies,
  kind: Kind,
  name: string,
): StoredIntent<IntentOf<Kind>> | undefined {
  const key = { kind, cluster: INTENT_CLUSTER, namespace: '', name } as const;
  const stored = objectAt(api.store, key, intentRevision(api));
  return stored && intentOf(stored);
}

export function allIntents(api: ApiDependencies): IntentObject[] {
  const revision = intentRevision(api);
  return INTENT_KINDS.flatMap((kind) => [...intentsOfKind(api.store, kind, revision)]);
}

function* intentsOfKind<Kind extends AnyIntentKind>(
  store: Store,
  kind: Kind,
  revision: number,
): Generator<IntentOf<Kind>> {
  for (let after: Place | undefined; ; ) {
    const rows = listObjects(store, { kind, cluster: INTENT_CLUSTER, after, revision, limit: CHUNK });
    for (const row of rows) yield row.object;
    if (rows.length < CHUNK) return;
    after = rows.at(-1)?.key;
  }
}

export function intentOf<Kind extends AnyIntentKind>(row: StoredObject<Kind>): StoredIntent<IntentOf<Kind>> {
  const { revision, changedAtMs } = row;
  const object = row.object as IntentOf<Kind>;
  return { revision, changedAt: new Date(changedAtMs).toISOString(), intent: object };
}

/**
 * Stores the intent unless the log holds its equal. When this returns, the store shows it, so that a reader of this API
 * who asks next finds it. Throws a problem that names what is wrong and where.
 */
export function putIntent<Object extends AnyIntent>(
  api: ApiDependencies,
  object: Object,
  precondition: Precondition,
): Promise<PutIntent<Object>> {
  return inTurn(api, () => putInTurn(api, object, precondition));
}

interface PutIntent<Object extends AnyIntent> {
  readonly intent: StoredIntent<Object>;
  readonly isCreated: boolean;
}

async function putInTurn<Object extends AnyIntent>(
  api: ApiDependencies,
  object: Object,
  precondition: Precondition,
): Promise<PutIntent<Object>> {
  requireRightIntent(api, object);
  const subject = objectSubject(INTENT_CLUSTER, object);
  const last = await logOf(api).last('objects', subject);
  requirePrecondition(last, precondition);
  const before = messageOf(last);
  if (last !== undefined && before !== undefined && JSON.stringify(before.object) === JSON.stringify(object)) {
    const changedAt = new Date(before.changedAtMs).toISOString();
    return { intent: { revision: last.sequence, changedAt, intent: object }, isCreated: false };
  }
  const message = newMessage(object);
  const revision = await append(api, { subject, data: JSON.stringify(message) }, last);
  const changedAt = new Date(message.changedAtMs).toISOString();
  return { intent: { revision, changedAt, intent: object }, isCreated: before === undefined };
}

/** Returns the revision in which the intent is gone. Throws `not_found` when there is none. */
export function deleteIntent(
  api: ApiDependencies,
  key: { kind: AnyIntentKind; name: string },
  precondition: Precondition,
): Promise<number> {
  return inTurn(api, () => deleteInTurn(api, key, precondition));
}

async function deleteInTurn(
  api: ApiDependencies,
  { kind, name }: { kind: AnyIntentKind; name: string },
  precondition: Precondition,
): Promise<number> {
  const { intent } = readIntent(api, kind, name);
  const inZone = intent.kind === 'DnsZone' ? intentsInZone(intent, allIntents(api)) : [];
  if (inZone.length > 0) {
    const names = inZone.slice(0, 5).map((other) => `${other.kind} ${other.metadata.name}`);
    const all = `${names.join(', ')}${inZone.length > 5 ? ` and ${inZone.length - 5} more` : ''}`;
    throw new SignalboxError('conflict', `the zone ${name} still holds ${all}; delete these first`);
  }
  const subject = objectSubject(INTENT_CLUSTER, intent);
  const last = await logOf(api).last('objects', subject);
  requirePrecondition(last, precondition);
  return await append(api, { subject, data: null }, last);
}

/** Stores and deletes many, for ExternalDNS; all of it is checked before anything is stored. */
export function changeIntents(api: ApiDependencies, changes: IntentChanges): Promise<void> {
  return inTurn(api, () => changeInTurn(api, changes));
}

interface IntentChanges {
  readonly put: readonly IntentObject[];
  readonly remove: readonly IntentObject[];
}

async function changeInTurn(api: ApiDependencies, { put, remove }: IntentChanges): Promise<void> {
  const log = logOf(api);
  const goingOrReplaced = new Set([...put, ...remove].map((object) => objectSubject(INTENT_CLUSTER, object)));
  const others = allIntents(api).filter((object) => !goingOrReplaced.has(objectSubject(INTENT_CLUSTER, object)));
  requireRight(api, put, [...others, ...put]);
  const kept = new Set(put.map((object) => objectSubject(INTENT_CLUSTER, object)));
  const tombstones = remove.map((object) => objectSubject(INTENT_CLUSTER, object)).filter((one) => !kept.has(one));
  await log.appendAll('objects', [
    ...tombstones.map((subject) => ({ subject, data: null })),
    ...put.map((object) => ({
      subject: objectSubject(INTENT_CLUSTER, object),
      data: JSON.stringify(newMessage(object)),
    })),
  ]);
  await api.projector.processAll(INTENT_STREAMS);
}

export function knownClusters(api: ApiDependencies): { name: string; domain: string }[] {
  const revision = intentRevision(api);
  const rows = listObjects(api.store, { kind: 'Cluster', revision, limit: MAX_CLUSTERS });
  return rows.map(({ object }) => ({ name: object.metadata.name, domain: object.domain }));
}

function requireRightIntent(api: ApiDependencies, object: AnyIntent): void {
  if (!isLoadBalancerIntent(object)) requireRight(api, [object], allIntents(api));
  else requireNoProblems(checkLoadBalancerIntent(object, loadBalancerPolicies(api)));
}

function isLoadBalancerIntent(object: AnyIntent): object is LoadBalancerIntent {
  return isLoadBalancerIntentKind(object.kind);
}

export function loadBalancerPolicies(api: ApiDependencies): LoadBalancerPolicyObject[] {
  return [...intentsOfKind(api.store, 'LoadBalancerPolicy', intentRevision(api))];
}

function requireRight(api: ApiDependencies, objects: readonly IntentObject[], intents: readonly IntentObject[]): void {
  const clusters = knownClusters(api);
  requireNoProblems(objects.flatMap((object) => checkIntent(object, { intents, clusters })));
}

function requireNoProblems(problems: readonly { path: string; reason: string; isConflict?: boolean }[]): void {
  if (problems.length === 0) return;
  const errors = problems.map(({ path, reason }) => ({ parameter: path, message: reason }));
  const detail = errors.map(({ parameter, message }) => `${parameter}: ${message}`).join('; ');
  const code = problems.every(({ isConflict }) => isConflict === true) ? 'conflict' : 'invalid';
  throw new RequestProblem(problemOf(code, detail, errors));
}

function requirePrecondition(last: LogMessage | undefined, precondition: Precondition): void {
  if (precondition === undefined) return;
  const current = last === undefined || last.data === null ? 'absent' : last.sequence;
  if (current === precondition) return;
  const state = current === 'absent' ? 'does not exist' : `is at revision ${current}`;
  throw new RequestProblem({ ...problemOf('conflict', `the intent ${state}; read it again`), status: 412 });
}

/** Only onto what was read, so that of two writers at once one is told. */
async function append(
  api: ApiDependencies,
  entry: { subject: string; data: string | null },
  last: LogMessage | undefined,
): Promise<number> {
  try {
    const expectedSequence = last?.sequence ?? 0;
    const revision = await logOf(api).append('objects', { ...entry, expectedSequence });
    await api.projector.processAll(INTENT_STREAMS);
    return revision;
  } catch (error) {
    if (!isSignalboxError(error, 'conflict')) throw error;
    throw new SignalboxError('conflict', 'somebody else changed this intent at the same moment; read it again', {
      cause: error,
    });
  }
}

function logOf({ log }: ApiDependencies) {
  if (log === undefined) throw new SignalboxError('unavailable', 'this API cannot write: it has no event log');
  return log;
}

function messageOf(last: LogMessage | undefined): ObjectMessage | undefined {
  return last === undefined || last.data === null ? undefined : (JSON.parse(last.data) as ObjectMessage);
}

function newMessage(object: AnyIntent): ObjectMessage {
  return { cluster: INTENT_CLUSTER, resourceVersion: '', changedAtMs: Date.now(), object };
}
