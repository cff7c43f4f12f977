/**
 * The first token, of the scope admin, in a file that only its owner reads: made when tokens are required and there is no
 * token of that scope. A deleted one does not come back: its tombstone is not nothing, and when that is compacted away
 * there is another admin, or nobody could have made one.
 *
 * One file that several logs have seen in turn is registered in each; a log that has the token of another file is left
 * alone, because that file may be at another replica.
 */
import { readFile, writeFile } from 'node:fs/promises';
import {
  type ApiTokenObject,
  apiTokenObjects,
  errorText,
  INTENT_CLUSTER,
  isSignalboxError,
  type ObjectMessage,
  objectSubject,
  SignalboxError,
} from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { Logger } from '@signalbox/kit';
import { appendToken } from './token-log.ts';
import { hashOfToken, nameOfToken, newTokenText } from './token-text.ts';

const NAME = 'admin';

export async function provideAdminToken(
  { log, logger }: { log: Pick<EventLog, 'append' | 'last' | 'follow'>; logger: Logger },
  file: string,
): Promise<void> {
  const subject = objectSubject(INTENT_CLUSTER, adminToken(''));
  const last = await log.last('objects', subject);
  if (last !== undefined || (await hasAdmin(log))) return;
  const text = (await readToken(file)) ?? (await makeToken(file));
  try {
    await appendToken(log, adminToken(hashOfToken(text)), { last, atMs: Date.now() });
    logger.warn({ file }, 'tokens are required; the first one, of the scope admin, is in this file');
  } catch (error) {
    if (!isSignalboxError(error, 'conflict')) throw error;
    logger.info('another replica has made the first token');
  }
}

async function hasAdmin(log: Pick<EventLog, 'follow'>): Promise<boolean> {
  for await (const batch of log.follow('objects', { from: 'snapshot', filter: apiTokenObjects() })) {
    for (const { data } of batch.messages) {
      const object = data === null ? undefined : (JSON.parse(data) as ObjectMessage).object;
      if (object?.kind === 'ApiToken' && object.spec.scope === 'admin') return true;
    }
    if (batch.isCaughtUp) return false;
  }
  return false;
}

function adminToken(hash: string): ApiTokenObject {
  return { kind: 'ApiToken', metadata: { name: NAME }, spec: { scope: 'admin', classes: [], hash } };
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (nameOfToken(text) === NAME) return text;
    throw new SignalboxError('invalid', `${file} holds no token; delete it, and a new one is made`);
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SignalboxError('invalid', `cannot read the admin token: ${errorText(error)}`, { cause: error });
  }
}

async function makeToken(file: string): Promise<string> {
  const text = newTokenText(NAME);
  try {
    await writeFile(file, `${text}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new SignalboxError('invalid', `cannot write the admin token: ${errorText(error)}`, { cause: error });
  }
  return text;
}
