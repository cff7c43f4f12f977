/** The intents of a running Signalbox, read and written through its API; whatever the event log is. */
import { isDeepStrictEqual } from 'node:util';
import { type BackupIntents, errorText, INTENT_PATHS, SignalboxError } from '@signalbox/contracts';
import type { ApiClient } from '../api-client.ts';

const PATHS = Object.keys(INTENT_PATHS);
const LIST_LIMIT = 1_000_000;
const ATTEMPTS = 10;

/** All intents as they stood at one moment: they are read until two readings in a row are equal. */
export async function readIntents(client: ApiClient): Promise<BackupIntents> {
  let before = await listIntents(client);
  for (let attempt = 1; attempt < ATTEMPTS; attempt += 1) {
    const now = await listIntents(client);
    if (isDeepStrictEqual(before, now)) return now.map(withoutRevision);
    before = now;
  }
  throw new SignalboxError('unavailable', 'intents change faster than they can be read; try again');
}

export interface RestoredIntents {
  readonly written: number;
  /** Kept by somebody else, so left to him. */
  readonly owned: number;
  readonly failed: readonly string[];
}

/** Without force only where there is none. What is there and not in the backup stays. */
export async function writeIntents(
  client: ApiClient,
  intents: BackupIntents,
  { isForced }: { isForced: boolean },
): Promise<RestoredIntents> {
  const present = (await listIntents(client)).filter(({ owner }) => owner === undefined);
  if (present.length > 0 && !isForced) {
    const what = `there are ${present.length} intents already`;
    throw new SignalboxError('conflict', `${what}; --force replaces those of equal name and keeps the others`);
  }
  const ours = intents.filter(({ owner }) => owner === undefined);
  const failed: string[] = [];
  for (const path of PATHS) {
    for (const { name, spec } of ours.filter((intent) => intent.path === path)) {
      const place = `${path}/${name}`;
      await client
        .send('PUT', `/v1/intents/${path}/${encodeURIComponent(name)}`, { body: spec })
        .catch((error: unknown) => failed.push(`${place}: ${errorText(error)}`));
    }
  }
  const unknown = ours
    .filter(({ path }) => !PATHS.includes(path))
    .map(({ path, name }) => `${path}/${name}: unknown kind`);
  const troubles = [...failed, ...unknown];
  return { written: ours.length - troubles.length, owned: intents.length - ours.length, failed: troubles };
}

/** What the intents of all kinds have in common. */
interface Listed {
  readonly revision: number;
  readonly intent: { readonly metadata: { readonly name: string; readonly owner?: string }; readonly spec: object };
}

type ListedIntent = BackupIntents[number] & { readonly revision: number };

async function listIntents(client: ApiClient): Promise<ListedIntent[]> {
  const lists: ListedIntent[] = [];
  for (const path of PATHS) {
    const { items } = await client.atLeast('latest').list<Listed>(`/v1/intents/${path}`, {}, LIST_LIMIT);
    for (const { revision, intent } of items) {
      const { name, owner } = intent.metadata;
      lists.push({ path, name, spec: { ...intent.spec }, revision, ...(owner && { owner }) });
    }
  }
  return lists;
}

function withoutRevision({ path, name, spec, owner }: ListedIntent): BackupIntents[number] {
  return { path, name, spec, ...(owner && { owner }) };
}
