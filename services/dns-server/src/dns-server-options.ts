/** What a DNS server is told. */
import type { PodMode } from '@signalbox/zones';
import type { ForwardSettings } from './forward/forwarder.ts';
import type { TransferSettings } from './transfer/start-transfers.ts';
import type { ListenAddress } from './transport.ts';
import type { ReceiverKind } from './udp-receiver.ts';

export interface DnsServerOptions extends TransferSettings {
  /** UDP and TCP on each of these. */
  readonly listen: readonly ListenAddress[];
  /** TTL of the zones' own records, and of negative answers. */
  readonly ttlSeconds: number;
  /** What `ns.dns.ZONE` resolves to. Default: the addresses listened on. */
  readonly serverAddresses?: readonly string[];
  /** Longest UDP answer, whatever the asker offers. Default 1232, which no network has to fragment. */
  readonly maxUdpBytes?: number;
  /** A TCP connection without a whole question for so long is closed. Default 10 s. */
  readonly tcpIdleMs?: number;
  /** Per address listened on. Default 256. */
  readonly maxTcpConnections?: number;
  /** Which names of pods are answered. Default `insecure`. */
  readonly pods?: PodMode;
  /** `RANGE` or `ZONE=RANGE`: who may ask. Default: everybody. */
  readonly allowQuery?: readonly string[];
  /** UDP answers of one kind to one network, a second. Default: no limit. */
  readonly rateLimit?: number;
  /** Of the answers over the limit, each so many-th is sent truncated. Default 2. */
  readonly rateLimitSlip?: number;
  /** Names outside the zones. Default: refused. */
  readonly forward?: ForwardSettings;
  /** Between two acknowledgements of one cluster. Default 1 s. */
  readonly ackIntervalMs?: number;
  /** That answer over UDP, this one included. Default 1. */
  readonly processes?: number;
  /** Default: by batches, where the native part was built. */
  readonly udpReceiver?: ReceiverKind;
}
