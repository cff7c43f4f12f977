/**
 * Tells secondaries that a zone has changed (RFC 1996), each by a loop of its own, so that one that does not answer
 * delays nobody.
 *
 *     quiet ──(the zone changes)──► sending ──(acknowledged)──► resting for the interval ──► quiet, or sending again when
 *                                     ▲  │                                                   the zone changed meanwhile
 *                                     └──┘ not acknowledged: again after a pause that doubles
 *
 * Nothing queues up: however often the zone changes, the next message tells of the last change.
 */
import { errorText } from '@signalbox/contracts';
import { formatAddress, type Logger } from '@signalbox/kit';
import { encodeNotify, responseCode } from '@signalbox/zones';
import { askOverUdp, type DnsPeer } from './dns-client.ts';
import { Latch, pause } from './latch.ts';
import type { NotifyTarget } from './settings.ts';
import type { TransferMetrics } from './transfer-metrics.ts';
import type { TransferTimings } from './transfer-timings.ts';
import type { ZoneVersions } from './zone-versions.ts';

interface NotifierOptions {
  readonly targets: readonly NotifyTarget[];
  readonly versions: ZoneVersions;
  readonly metrics: TransferMetrics;
  readonly logger: Logger;
  readonly timings: TransferTimings;
  readonly signal: AbortSignal;
}

/** Until the signal. The promise ends when all loops have. */
export function startNotifier(options: NotifierOptions): { readonly stopped: () => Promise<void> } {
  const changes = new Map<string, Latch>();
  const loops: Promise<void>[] = [];
  options.versions.onChange((zones) => {
    for (const zone of zones) for (const target of options.targets) note(target, zone);
  });
  return {
    stopped: async () => {
      await Promise.all(loops);
    },
  };

  function note(target: NotifyTarget, zone: string): void {
    if (target.zone !== undefined && target.zone !== zone) return;
    const id = `${zone} ${formatAddress(target.peer)}`;
    const known = changes.get(id);
    const latch = known ?? new Latch();
    latch.open();
    if (known !== undefined) return;
    changes.set(id, latch);
    loops.push(notifyLoop(options, { zone, peer: target.peer, changed: latch }));
  }
}

interface NotifyLoop {
  readonly zone: string;
  readonly peer: DnsPeer;
  readonly changed: Latch;
}

async function notifyLoop(options: NotifierOptions, { zone, peer, changed }: NotifyLoop): Promise<void> {
  const { timings, signal } = options;
  let retryInMs = timings.minRetryMs;
  for (;;) {
    await changed.wait({ signal });
    if (signal.aborted) return;
    if (await notify(options, zone, peer)) {
      retryInMs = timings.minRetryMs;
      await pause(timings.notifyIntervalMs, signal);
    } else {
      changed.open();
      await pause(retryInMs, signal);
      retryInMs = Math.min(retryInMs * 2, timings.maxRetryMs);
    }
  }
}

/** False when it has to be tried again; so it is while the zone cannot be had, which nobody is told of. */
async function notify(options: NotifierOptions, zone: string, peer: DnsPeer): Promise<boolean> {
  const { versions, metrics, logger, timings, signal } = options;
  const version = versions.version(zone);
  if (version === undefined) return false;
  const who = { zone, serial: version.soa.serial, target: formatAddress(peer) };
  try {
    const answer = await askOverUdp(peer, (id) => encodeNotify(id, version.soa), {
      timeoutMs: timings.timeoutMs,
      signal,
    });
    const code = responseCode(answer);
    metrics.notifications.inc({ result: code === 0 ? 'acknowledged' : 'refused' });
    if (code !== 0) logger.warn({ ...who, code }, 'a secondary refuses to be notified');
    return code === 0;
  } catch (err) {
    if (signal.aborted) return true;
    metrics.notifications.inc({ result: 'failed' });
    logger.debug({ ...who, err, reason: errorText(err) }, 'a secondary does not answer');
    return false;
  }
}
