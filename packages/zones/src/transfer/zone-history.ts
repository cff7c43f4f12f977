/**
 * How a zone came to be what it is: its versions, each with the serials it was served under and the delta to the next,
 * bounded in serials and bytes, the oldest go first. A serial that lies between two that were served is as unknown as one
 * from before the oldest: another server may have served it with content of its own.
 */
import type { DnsRecord } from '@signalbox/contracts';
import { isLaterSerial } from './serials.ts';
import { combineDeltas, EMPTY_DELTA, isEmptyDelta, type ZoneDelta } from './zone-delta.ts';

export interface HistoryLimits {
  /** That deltas may start from, the present one included. */
  readonly maxSerials: number;
  /** Of all deltas together, estimated. */
  readonly maxBytes: number;
}

interface PastVersion {
  readonly serials: readonly number[];
  /** To the version after it. */
  readonly delta: ZoneDelta;
  readonly bytes: number;
}

export class ZoneHistory {
  readonly #limits: HistoryLimits;
  #past: PastVersion[] = [];
  /** Of the present version, rising; none while nothing may be built upon it. */
  #serials: number[] = [];
  #pastSerials = 0;
  #bytes = 0;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets all. The next `advance` is the first that later deltas may start from. */
  forget(): void {
    this.#past = [];
    this.#serials = [];
    this.#pastSerials = 0;
    this.#bytes = 0;
  }

  /**
   * The zone has this serial now, and changed by this much. A zone that changed without a later serial, or whose serial
   * went back, is one that nobody can be led to by deltas: all is forgotten.
   */
  advance(serial: number, delta: ZoneDelta): void {
    const from = this.#serials.at(-1);
    if (from === serial && isEmptyDelta(delta)) return;
    if (from !== undefined && !isLaterSerial(serial, from)) {
      this.forget();
      return;
    }
    if (from !== undefined && !isEmptyDelta(delta)) this.#pass(delta);
    this.#serials.push(serial);
    this.#shrink();
  }

  /** Everything since that serial as one delta (RFC 1995 §5); undefined when it is not known. */
  since(serial: number): ZoneDelta | undefined {
    if (this.#serials.includes(serial)) return EMPTY_DELTA;
    const at = this.#past.findIndex(({ serials }) => serials.includes(serial));
    return at === -1 ? undefined : combineDeltas(this.#past.slice(at).map(({ delta }) => delta));
  }

  #pass(delta: ZoneDelta): void {
    const bytes = deltaBytes(delta);
    this.#past.push({ serials: this.#serials, delta, bytes });
    this.#pastSerials += this.#serials.length;
    this.#bytes += bytes;
    this.#serials = [];
  }

  #shrink(): void {
    const { maxSerials, maxBytes } = this.#limits;
    let surplus = 0;
    for (const { serials, bytes } of this.#past) {
      if (this.#pastSerials + this.#serials.length <= maxSerials && this.#bytes <= maxBytes) break;
      this.#pastSerials -= serials.length;
      this.#bytes -= bytes;
      surplus += 1;
    }
    if (surplus > 0) this.#past.splice(0, surplus);
    if (this.#serials.length > maxSerials) this.#serials.shift();
  }
}

/** Of a version without records, and of a record beside its name and text. */
const VERSION_BYTES = 128;
const RECORD_BYTES = 128;

function deltaBytes({ removed, added }: ZoneDelta): number {
  const sum = (records: readonly DnsRecord[]) => records.reduce((total, record) => total + recordBytes(record), 0);
  return VERSION_BYTES + sum(removed) + sum(added);
}

function recordBytes(record: DnsRecord): number {
  const text = record.type === 'TXT' ? record.text.join('').length : 'target' in record ? record.target.length : 16;
  return RECORD_BYTES + 2 * (record.name.length + text);
}
