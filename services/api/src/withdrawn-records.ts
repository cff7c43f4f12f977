/**
 * Which addresses DNS has given out and gives out no more, for as long as somebody may go on using them.
 *
 * The store keeps every document with the revision that ended it, so nothing is recorded at the time: what ended since the
 * last look is read, and what is too old is let go. A record counts as withdrawn when the present document of the same
 * Service or intent lacks it.
 */
import { type RecordSet, type ServiceKey, serviceKeyText, type WithdrawnRecord } from '@signalbox/contracts';
import {
  type ClosedDocument,
  documentAt,
  listAcks,
  listClosedDocuments,
  revisionBefore,
  type Store,
} from '@signalbox/store';
import { recordData } from '@signalbox/zones';

/** Clients that ignore TTLs often look a name up again when they restart, or by the quarter of an hour. */
export const DEFAULT_GRACE_SECONDS = 900;
export const MAX_GRACE_SECONDS = 86_400;
/** Longer TTLs are taken for this: what is older is not looked for. */
const MAX_TTL_SECONDS = 86_400;
/** The oldest are let go first. */
const MAX_RECORDS = 100_000;
const CHUNK = 250;
const MAX_SERVERS = 10_000;

interface Withdrawn {
  readonly key: ServiceKey;
  readonly record: AddressRecord;
  readonly endRevision: number;
  readonly endedAtMs: number;
}

type AddressRecord = Extract<RecordSet['records'][number], { type: WithdrawnRecord['type'] }>;

export class WithdrawnRecords {
  readonly #store: Store;
  /** Per owner, by record; in the order in which they were withdrawn last. */
  readonly #records = new Map<string, Withdrawn>();
  #readTo: number | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** At the revision given, which may only rise: by cluster, namespace, Service, then record. */
  list({
    revision,
    nowMs,
    graceSeconds,
  }: {
    revision: number;
    nowMs: number;
    graceSeconds: number;
  }): WithdrawnRecord[] {
    this.#readUpTo(revision, nowMs);
    this.#forget(nowMs);
    const present = presentRecords(this.#store, revision);
    const lagging = laggingServers(this.#store);
    return [...this.#records]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .flatMap(([, withdrawn]) => {
        const { texts, names } = present(withdrawn.key);
        if (texts.has(recordText(withdrawn.record))) return [];
        const item = describe(withdrawn, { servedBy: lagging(withdrawn), names, nowMs });
        return item.state === 'grace' && endOfTtlMs(withdrawn) + graceSeconds * 1000 <= nowMs ? [] : [item];
      });
  }

  #readUpTo(revision: number, nowMs: number): void {
    const oldestMs = nowMs - (MAX_TTL_SECONDS + MAX_GRACE_SECONDS) * 1000;
    // Once more at the revision read last: a document derived late may have ended there since.
    let after = (this.#readTo ?? revisionBefore(this.#store, oldestMs)) - 1;
    for (let limit = CHUNK; ; ) {
      const ended = listClosedDocuments(this.#store, { layer: 'dns', after, upTo: revision, limit });
      for (const document of ended) this.#add(document);
      if (ended.length < limit) break;
      // The last revision may have ended more than were read; reading some of them twice changes nothing.
      const next = (ended.at(-1)?.endRevision ?? revision) - 1;
      if (next === after) limit *= 2;
      after = next;
    }
    this.#readTo = Math.max(revision, this.#readTo ?? 0);
  }

  #add({ key, endRevision, endedAtMs, document }: ClosedDocument<'dns'>): void {
    for (const record of document?.records ?? []) {
      if (record.type !== 'A' && record.type !== 'AAAA' && record.type !== 'CNAME') continue;
      const text = `${serviceKeyText(key)}\n${recordText(record)}`;
      this.#records.delete(text);
      this.#records.set(text, { key, record, endRevision, endedAtMs });
    }
  }

  #forget(nowMs: number): void {
    let surplus = this.#records.size - MAX_RECORDS;
    for (const [text, withdrawn] of this.#records) {
      surplus -= 1;
      const isOver = endOfTtlMs(withdrawn) + MAX_GRACE_SECONDS * 1000 <= nowMs;
      if (surplus >= 0 || isOver) this.#records.delete(text);
    }
  }
}

function recordText(record: AddressRecord): string {
  return `${record.name} ${record.type} ${recordData(record)}`;
}

function endOfTtlMs({ record, endedAtMs }: Withdrawn): number {
  return endedAtMs + Math.min(record.ttlSeconds, MAX_TTL_SECONDS) * 1000;
}

interface Present {
  readonly texts: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
}

/** What an owner has now; each is read once. */
function presentRecords(store: Store, revision: number): (key: ServiceKey) => Present {
  const known = new Map<string, Present>();
  return (key) => {
    const text = serviceKeyText(key);
    const found =
      known.get(text) ?? presentOf(documentAt(store, { layer: 'dns', key, revision })?.document?.records ?? []);
    known.set(text, found);
    return found;
  };
}

function presentOf(records: RecordSet['records']): Present {
  return {
    texts: new Set(records.map((record) => `${record.name} ${record.type} ${recordData(record)}`)),
    names: new Set(records.map(({ name }) => name)),
  };
}

/** DNS servers that may still answer with what was withdrawn; an intent's records are served by those of all clusters. */
function laggingServers(store: Store): (withdrawn: Withdrawn) => string[] {
  const acks = listAcks(store, { layer: 'dns', limit: MAX_SERVERS });
  return ({ key, endRevision }) => {
    const lagging = acks.filter(
      ({ cluster, revision }) => (key.cluster === '' || cluster === key.cluster) && revision < endRevision,
    );
    return [...new Set(lagging.map(({ consumer }) => consumer))].sort();
  };
}

function describe(
  withdrawn: Withdrawn,
  { servedBy, names, nowMs }: { servedBy: string[]; names: ReadonlySet<string>; nowMs: number },
): WithdrawnRecord {
  const { key, record, endRevision, endedAtMs } = withdrawn;
  const isServed = servedBy.length > 0;
  const afterServed = endOfTtlMs(withdrawn) > nowMs ? 'ttl' : 'grace';
  return {
    name: record.name,
    type: record.type,
    data: recordData(record),
    ttlSeconds: record.ttlSeconds,
    cluster: key.cluster,
    namespace: key.namespace,
    service: key.name,
    isNameGone: !names.has(record.name),
    withdrawnRevision: endRevision,
    withdrawnAt: new Date(endedAtMs).toISOString(),
    state: isServed ? 'served' : afterServed,
    servedBy,
    heldUntil: isServed ? null : new Date(endOfTtlMs(withdrawn)).toISOString(),
  };
}
