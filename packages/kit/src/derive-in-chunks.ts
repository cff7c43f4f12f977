import { setImmediate } from 'node:timers/promises';
import type { AppendEntry } from '@signalbox/event-log';

/** Derivations between two turns of the event loop, so that a large replay does not starve servers beside it. */
const DERIVE_CHUNK = 250;
/** Documents collected for one append. A batch below this is one append for all layers: they move together. */
const APPEND_CHUNK = 1000;

/** `derivations` derives as it is read: undefined where nothing has to be published. The last chunk may be empty. */
export async function* deriveInChunks(derivations: Iterable<AppendEntry | undefined>): AsyncGenerator<AppendEntry[]> {
  let entries: AppendEntry[] = [];
  let count = 0;
  for (const entry of derivations) {
    if (entry !== undefined) entries.push(entry);
    count += 1;
    if (count % DERIVE_CHUNK === 0) await setImmediate();
    if (entries.length < APPEND_CHUNK) continue;
    yield entries;
    entries = [];
  }
  yield entries;
}
