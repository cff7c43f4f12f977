/**
 * How a zone came to be what it is: one delta for each serial that was served, newest last, bounded in count and bytes.
 * What was served before the oldest of them is unknown, and so is a serial that lies between two of them: another server
 * may have served it with content of its own.
 */
import type { DnsRecord } from '@signalbox/contracts';
import { isLaterSerial } from './serials.ts';
import { combineDeltas, EMPTY_DELTA, isEmptyDelta, type ZoneDelta } from './zone-delta.ts';

export interface HistoryLimits {
  readonly maxSteps: number;
  /** Of all deltas together, as estimated by `recordBytes`. */
  readonly maxBytes: number;
}

interface Step {
  readonly fromSerial: number;
  readonly delta: ZoneDelta;
  readonly bytes: number;
}

export class ZoneHistory {
  readonly #limits: HistoryLimits;
  #steps: Step[] = [];
  #bytes = 0;
  /** The serial that the last step leads to; undefined while nothing may be built upon what is served. */
  #serial: number | undefined;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets all. The next `advance` is the first that later deltas may start from. */
  forget(): void {
    this.#steps = [];
    this.#bytes = 0;
    this.#serial = undefined;
  }

  /**
   * The zone has this serial now, and changed by this much. A zone that changed without a later serial, or whose serial
   * went back, is one that nobody can be led to by deltas: all is forgotten.
   */
  advance(serial: number, delta: ZoneDelta): void {
    const from = this.#serial;
    if (from === serial && isEmptyDelta(delta)) return;
    if (from !== undefined && !isLaterSerial(serial, from)) {
      this.forget();
      return;
    }
    this.#serial = serial;
    if (from === undefined) return;
    const bytes = deltaBytes(delta);
    this.#steps.push({ fromSerial: from, delta, bytes });
    this.#bytes += bytes;
    this.#shrink();
  }

  /** Everything since that serial as one delta (RFC 1995 §5); undefined when it is not known. */
  since(serial: number): ZoneDelta | undefined {
    if (serial === this.#serial) return EMPTY_DELTA;
    const at = this.#steps.findIndex((step) => step.fromSerial === serial);
    return at === -1 ? undefined : combineDeltas(this.#steps.slice(at).map((step) => step.delta));
  }

  #shrink(): void {
    const { maxSteps, maxBytes } = this.#limits;
    let surplus = 0;
    while (this.#steps.length - surplus > maxSteps || this.#bytes > maxBytes) {
      this.#bytes -= this.#steps[surplus]?.bytes ?? 0;
      surplus += 1;
    }
    if (surplus > 0) this.#steps.splice(0, surplus);
  }
}

/** Of a step without records, and of a record beside its name and text. */
const STEP_BYTES = 64;
const RECORD_BYTES = 128;

function deltaBytes({ removed, added }: ZoneDelta): number {
  const sum = (records: readonly DnsRecord[]) => records.reduce((total, record) => total + recordBytes(record), 0);
  return STEP_BYTES + sum(removed) + sum(added);
}

function recordBytes(record: DnsRecord): number {
  const text = record.type === 'TXT' ? record.text.join('').length : 'target' in record ? record.target.length : 16;
  return RECORD_BYTES + 2 * (record.name.length + text);
}
