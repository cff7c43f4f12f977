/** Intents from a backup, as objects of the log. */
import {
  type BackupIntents,
  INTENT_PATHS,
  type IntentObject,
  isIntentPath,
  type LoadBalancerIntent,
  parseIntent,
} from '@signalbox/contracts';
import { readIntentsArchive } from './backup/intents-archive.ts';

export interface OfflineIntents {
  readonly objects: readonly (IntentObject | LoadBalancerIntent)[];
  /** What had to be left out, for people. */
  readonly problems: readonly string[];
}

/** Throws `invalid` when the file cannot be read; a single intent that is not right is left out. */
export async function readOfflineIntents(path: string): Promise<OfflineIntents> {
  const read = (await readIntentsArchive(path)).map((intent) => readIntent(intent, path));
  return {
    objects: read.flatMap((one) => ('object' in one ? [one.object] : [])),
    problems: read.flatMap((one) => ('problem' in one ? [one.problem] : [])),
  };
}

/** The place of an intent for people: file, kind as the API has it, name. */
export function intentPlace(path: string, { kind, metadata }: Pick<IntentObject, 'kind' | 'metadata'>): string {
  const [kindPath = kind] = Object.entries(INTENT_PATHS).find(([, known]) => known === kind) ?? [];
  return `${path}: ${kindPath}/${metadata.name}`;
}

function readIntent({ path: kindPath, name, owner, spec }: BackupIntents[number], path: string) {
  const place = `${path}: ${kindPath}/${name}`;
  if (!isIntentPath(kindPath)) return { problem: `${place}: unknown kind` };
  const parsed = parseIntent(kindPath, { name, ...(owner && { owner }) }, spec);
  if (parsed.success) return { object: parsed.data };
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return { problem: `${place}: ${issues.join('; ')}` };
}
