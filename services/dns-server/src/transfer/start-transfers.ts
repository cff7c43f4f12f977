/** Everything about transfers, put together from the settings. */
import { isIPv6 } from 'node:net';
import type { ServiceContext } from '@signalbox/kit';
import type { TsigKey, ZoneIndex } from '@signalbox/zones';
import type { ListenAddress } from '../transport.ts';
import type { Transfers } from './answer-transfer.ts';
import type { DnsPeer } from './dns-client.ts';
import { startNotifier } from './notifier.ts';
import { runPusher } from './pusher.ts';
import { parseNotifyTargets, parsePushTargets } from './settings.ts';
import { createTransferMetrics } from './transfer-metrics.ts';
import { TransferRules } from './transfer-rules.ts';
import { DEFAULT_TIMINGS, type TransferTimings } from './transfer-timings.ts';
import { ZoneVersions } from './zone-versions.ts';

export interface TransferSettings {
  /** Who may transfer zones: `[ZONE=]RANGE[,RANGE…][,key=NAME]`. Default: loopback. */
  readonly transferTo?: readonly string[];
  /** What requests may be signed with. */
  readonly tsigKeys?: readonly TsigKey[];
  /** Whom to tell of changes: `ZONE=ADDRESS[:PORT][,…][,key=NAME]`. */
  readonly notify?: readonly string[];
  /** Where to keep copies by dynamic update: `ZONE=ADDRESS[:PORT][,…][,key=NAME][,owner=ID]`. */
  readonly push?: readonly string[];
  readonly timings?: Partial<TransferTimings>;
}

export interface RunningTransfers extends Transfers {
  /** Once what the index holds has been fed, and after each change. */
  readonly onServed: ZoneVersions['advance'];
  stop(): Promise<void>;
}

/** Throws `invalid` for settings that cannot be read. */
export function startTransfers(
  context: ServiceContext,
  index: ZoneIndex,
  { listen, ...settings }: TransferSettings & { readonly listen: readonly ListenAddress[] },
): RunningTransfers {
  const { logger } = context;
  const { tsigKeys: keys = [] } = settings;
  const rules = new TransferRules(settings.transferTo, keys);
  const notifyTargets = parseNotifyTargets(settings.notify ?? [], keys);
  const pushTargets = parsePushTargets(settings.push ?? [], keys);
  const versions = new ZoneVersions(index);
  const metrics = createTransferMetrics(context.registry, versions);
  const timings = { ...DEFAULT_TIMINGS, ...settings.timings };
  const stopping = new AbortController();
  const common = { versions, metrics, logger, timings, signal: stopping.signal };
  const fromHere = <Target extends { readonly peer: DnsPeer }>(target: Target) => withLocalAddress(target, listen);
  const notifier = startNotifier({ ...common, targets: notifyTargets.map(fromHere) });
  const pushers = pushTargets.map((target) =>
    runPusher({ ...common, index, logId: context.log.id, target: fromHere(target) }),
  );
  return {
    index,
    versions,
    rules,
    keys,
    metrics,
    logger,
    onServed: (state) => versions.advance(state),
    stop: async () => {
      stopping.abort();
      await Promise.all([notifier.stopped(), ...pushers]);
    },
  };
}

/** Peers know us by the address that we listen on; where there are several, the route decides. */
function withLocalAddress<Target extends { readonly peer: DnsPeer }>(
  target: Target,
  listen: readonly ListenAddress[],
): Target {
  const [local, ...others] = listen.filter(({ address }) => canReach(address, target.peer.address));
  const isSure = local !== undefined && others.length === 0;
  return isSure ? { ...target, peer: { ...target.peer, localAddress: local.address } } : target;
}

/** Of one family, no wildcard, and loopback only to loopback. */
function canReach(local: string, peer: string): boolean {
  const isLoopback = (text: string) => text.startsWith('127.') || text === '::1';
  const isSpecific = local !== '0.0.0.0' && local !== '::';
  return isSpecific && isIPv6(local) === isIPv6(peer) && (!isLoopback(local) || isLoopback(peer));
}
