/**
 * Keeps a copy of a zone at another server by dynamic updates (RFC 2136).
 *
 *     unknown ──(read the marker there, compare everything)──► following ──(the zone changed: send the delta)──► following
 *        ▲                                                        │
 *        └──(failed, or somebody else has written the marker)─────┘   and once in a while, to heal what was missed
 *
 * There is no queue: a round sends what lies between the serial reached there and the one served here.
 */
import { randomUUID } from 'node:crypto';
import { errorText } from '@signalbox/contracts';
import { formatAddress, type Logger } from '@signalbox/kit';
import {
  isBelowOrEqual,
  isLaterSerial,
  type PushPlan,
  partialValue,
  planBlindly,
  planDelta,
  planReconcile,
  serialOfValue,
  wholeValue,
  type ZoneDelta,
  type ZoneIndex,
} from '@signalbox/zones';
import { Latch, pause } from './latch.ts';
import { PushSession } from './push-session.ts';
import type { PushTarget } from './settings.ts';
import type { TransferMetrics } from './transfer-metrics.ts';
import type { TransferTimings } from './transfer-timings.ts';
import type { ZoneVersion, ZoneVersions } from './zone-versions.ts';

interface PusherOptions {
  readonly target: PushTarget;
  readonly index: ZoneIndex;
  readonly versions: ZoneVersions;
  /** Of the event log whose revisions the serials are. */
  readonly logId: string;
  readonly metrics: TransferMetrics;
  readonly logger: Logger;
  readonly timings: TransferTimings;
  readonly signal: AbortSignal;
}

/** What the other server is known to hold. */
interface Position {
  readonly markerValue: string;
  readonly serial: number;
}

interface Following {
  readonly position: Position;
  readonly version: ZoneVersion;
  readonly delta: ZoneDelta;
}

/** Until the signal. */
export async function runPusher(options: PusherOptions): Promise<void> {
  const { timings, signal } = options;
  const changed = new Latch();
  options.versions.onChange(() => changed.open());
  const pusher = new Pusher(options);
  for (let retryInMs = timings.minRetryMs; !signal.aborted; ) {
    if (await pusher.round()) {
      retryInMs = timings.minRetryMs;
      await changed.wait({ signal, timeoutMs: timings.reconcileMs });
    } else {
      await pause(retryInMs, signal);
      retryInMs = Math.min(retryInMs * 2, timings.maxRetryMs);
    }
  }
}

class Pusher {
  readonly #options: PusherOptions;
  #position: Position | undefined;
  #reconciledAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PusherOptions) {
    this.#options = options;
  }

  /** False when it has to be tried again. */
  async round(): Promise<boolean> {
    const { metrics, logger, target, signal } = this.#options;
    if (this.#version() === undefined) return false;
    const session = new PushSession(target, this.#options);
    try {
      return await this.#bringUp(session);
    } catch (err) {
      if (signal.aborted) return false;
      metrics.pushes.inc({ result: 'failed' });
      logger.warn({ ...this.#who(), err, reason: errorText(err) }, 'a zone cannot be pushed now');
      return false;
    } finally {
      session.close();
    }
  }

  /** Our zone that the target's is, or is a part of. */
  #version(): ZoneVersion | undefined {
    const { index, versions, target } = this.#options;
    const [zone] = index
      .zones()
      .filter(({ name }) => isBelowOrEqual(target.zone, name))
      .sort((left, right) => right.name.length - left.name.length);
    return zone && versions.version(zone.name);
  }

  /** Versions are taken after all waiting, and used before any: a delta leads to the version that is served now. */
  async #bringUp(session: PushSession): Promise<boolean> {
    const isDue = Date.now() - this.#reconciledAtMs >= this.#options.timings.reconcileMs;
    const position = isDue ? undefined : (this.#position ?? (await this.#readPosition(session)));
    this.#position = undefined;
    const version = this.#version();
    if (position === undefined || version === undefined) return await this.#reconcile(session);
    if (position.serial === version.soa.serial) {
      this.#position = position;
      return true;
    }
    // Another replica is ahead; we shall be there too, and then go on from it.
    if (isLaterSerial(position.serial, version.soa.serial)) return true;
    const delta = version.since(position.serial);
    return delta === undefined
      ? await this.#reconcile(session)
      : await this.#follow(session, { position, version, delta });
  }

  async #readPosition(session: PushSession): Promise<Position | undefined> {
    const markerValue = await session.markerValue();
    const serial = serialOfValue(markerValue, this.#options.logId);
    return markerValue === undefined || serial === undefined ? undefined : { markerValue, serial };
  }

  async #follow(session: PushSession, { position, version, delta }: Following): Promise<boolean> {
    const { index, metrics, target, logger } = this.#options;
    const { serial } = version.soa;
    const plan = planDelta(target, delta, (name) => index.groupsAt(name).flat());
    if (plan.changes.length === 0) {
      this.#position = { ...position, serial };
      return true;
    }
    const isDone = await this.#apply(session, plan, { from: position.markerValue, serial });
    if (isDone) metrics.pushes.inc({ result: 'incremental' });
    const skipped = session.refusedNames;
    if (skipped.length > 0) logger.warn({ ...this.#who(), names: skipped }, 'names that are not ours there');
    return isDone;
  }

  async #reconcile(session: PushSession): Promise<boolean> {
    const { logId, target, metrics, logger } = this.#options;
    const from = await session.markerValue();
    const actual = await session.zoneRecords();
    const version = this.#version();
    if (version === undefined) return false;
    const { serial } = version.soa;
    const reached = serialOfValue(from, logId);
    if (reached !== undefined && isLaterSerial(reached, serial)) return true;
    const desired = version.others();
    const plan = actual === undefined ? planBlindly(target, desired) : planReconcile(target, desired, actual);
    if (!(await this.#apply(session, plan, { from, serial }))) return false;
    this.#reconciledAtMs = Date.now();
    const skipped = [...plan.skipped, ...session.refusedNames];
    metrics.pushes.inc({ result: 'reconciled' });
    metrics.pushSkipped.set(this.#who(), skipped.length);
    if (skipped.length > 0)
      logger.warn({ ...this.#who(), names: skipped.slice(0, 10) }, 'names that are not ours there');
    return true;
  }

  /** False when another replica came first, and everything has to be looked at anew. */
  async #apply(
    session: PushSession,
    { changes }: PushPlan,
    { from, serial }: { from: string | undefined; serial: number },
  ): Promise<boolean> {
    const markerValue = wholeValue(serial, this.#options.logId);
    const isDone = await session.apply(changes, { from, partial: partialValue(randomUUID()), to: markerValue });
    if (isDone) this.#position = { markerValue, serial };
    return isDone;
  }

  #who(): { zone: string; target: string } {
    const { zone, peer } = this.#options.target;
    return { zone, target: formatAddress(peer) };
  }
}
