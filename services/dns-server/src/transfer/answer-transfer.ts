/** AXFR (RFC 5936) and IXFR (RFC 1995): who asks, for what, and what there is to send. */
import type { Logger } from '@signalbox/kit';
import {
  incrementalRecords,
  isLaterSerial,
  readMessage,
  singleTransferMessage,
  type TsigKey,
  TYPE_IXFR,
  transferMessages,
  type WriterOptions,
  wholeZoneRecords,
  type ZoneIndex,
} from '@signalbox/zones';
import type { Request } from '../parse-request.ts';
import type { TransferMetrics } from './transfer-metrics.ts';
import type { TransferRules } from './transfer-rules.ts';
import type { ZoneVersion, ZoneVersions } from './zone-versions.ts';

export interface Transfers {
  readonly index: ZoneIndex;
  readonly versions: ZoneVersions;
  readonly rules: TransferRules;
  /** What requests of any kind may be signed with. */
  readonly keys: readonly TsigKey[];
  readonly metrics: TransferMetrics;
  readonly logger: Logger;
}

interface TransferRequest {
  readonly request: Request;
  readonly packet: Uint8Array;
  readonly protocol: 'udp' | 'tcp';
  readonly peer: string;
  readonly key: TsigKey | undefined;
  readonly options: WriterOptions;
}

const FORMERR = 1;
const SERVFAIL = 2;
const REFUSED = 5;
const NOTAUTH = 9;
const CLASS_IN = 1;
const TYPE_SOA = 6;

/** The messages to send, or the code that says why not. */
export function answerTransfer(transfers: Transfers, asked: TransferRequest): Iterable<Uint8Array> | number {
  const { request, peer, key, packet, protocol } = asked;
  const { name, queryClass, queryType } = request;
  const isIncremental = queryType === TYPE_IXFR;
  const isAllowed = transfers.rules.allows({ zone: name, peer, key });
  // RFC 5936 §4.2: whole zones go over TCP only.
  if (!isAllowed || queryClass !== CLASS_IN || (protocol === 'udp' && !isIncremental)) {
    transfers.metrics.transfers.inc({ kind: 'refused' });
    return REFUSED;
  }
  const clientSerial = isIncremental ? serialInAuthority(packet, name) : undefined;
  if (isIncremental && clientSerial === undefined) return FORMERR;
  const version = transfers.versions.version(name);
  if (version === undefined) return isOurs(transfers.index, name) ? SERVFAIL : NOTAUTH;
  const { kind, messages } = transferOf(version, clientSerial, asked);
  transfers.metrics.transfers.inc({ kind });
  const who = { zone: name, serial: version.soa.serial, kind, peer, key: key?.name };
  transfers.logger.debug(who, 'zone transfer');
  return messages;
}

interface Transfer {
  readonly kind: 'whole' | 'incremental' | 'current';
  readonly messages: Iterable<Uint8Array>;
}

function transferOf(version: ZoneVersion, clientSerial: number | undefined, asked: TransferRequest): Transfer {
  const { soa } = version;
  const { options, protocol, request } = asked;
  if (clientSerial === undefined) return wholeTransfer(version, asked);
  const isCurrent = !isLaterSerial(soa.serial, clientSerial);
  const delta = isCurrent ? undefined : version.since(clientSerial);
  const changes = delta === undefined ? 0 : delta.removed.length + delta.added.length;
  const isShorter = delta !== undefined && changes <= version.recordCount;
  const records = isShorter ? incrementalRecords(soa, clientSerial, delta) : [soa];
  // RFC 1995 §4: a lone SOA says "nothing new", or over UDP "come again over TCP".
  const lone = (): Iterable<Uint8Array> => transferMessages([soa], options, request.header);
  if (isCurrent) return { kind: 'current', messages: lone() };
  if (protocol === 'udp') {
    const message = isShorter ? singleTransferMessage(records, options, request.header) : undefined;
    return message === undefined ? { kind: 'current', messages: lone() } : { kind: 'incremental', messages: [message] };
  }
  if (!isShorter) return wholeTransfer(version, asked);
  return { kind: 'incremental', messages: transferMessages(records, options, request.header) };
}

function wholeTransfer(version: ZoneVersion, { options, request }: TransferRequest): Transfer {
  const records = wholeZoneRecords(version.soa, version.others());
  return { kind: 'whole', messages: transferMessages(records, options, request.header) };
}

/** The serial that the asker has (RFC 1995 §3). */
function serialInAuthority(packet: Uint8Array, zone: string): number | undefined {
  const [soa] = readMessage(packet)?.authority ?? [];
  if (soa?.type !== TYPE_SOA || soa.name !== zone || soa.data.length < 22) return undefined;
  const { data } = soa;
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(data.length - 20);
}

function isOurs(index: ZoneIndex, name: string): boolean {
  return !index.hasZones || index.zones().some((zone) => zone.name === name);
}
