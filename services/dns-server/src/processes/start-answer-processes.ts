/** The processes that answer beside this one, from the settings of the server. */
import type { ServiceContext } from '@signalbox/kit';
import type { ZoneIndex } from '@signalbox/zones';
import type { DnsServerOptions } from '../dns-server-options.ts';
import type { Listener } from '../listen.ts';
import type { Responder } from '../responder.ts';
import { AnswerProcesses } from './answer-processes.ts';

interface Main {
  readonly responder: Responder;
  readonly listeners: readonly Listener[];
  readonly serverAddresses: readonly string[];
  readonly onRevision: () => void;
  /** Until all namespaces and Pods are known, no other process is told anything. */
  readonly isReady: Promise<void>;
}

export function startAnswerProcesses(context: ServiceContext, options: DnsServerOptions, main: Main): AnswerProcesses {
  const { responder, listeners, serverAddresses, onRevision, isReady } = main;
  const { processes = 1, ttlSeconds, pods, allowQuery = [], forward } = options;
  return new AnswerProcesses(context, {
    count: processes - 1,
    index: responder.index,
    receivers: listeners.map(({ udp }) => udp),
    settings: {
      ttlSeconds,
      serverAddresses,
      pods,
      allowQuery,
      maxUdpBytes: responder.maxUdpBytes,
      rateLimit: rateLimitOf(options),
      hasForwarder: forward !== undefined,
    },
    onQuestion: (listener, packet, peer) => listeners[listener]?.udp.answer(packet, peer),
    onCounts: (counts) => responder.metrics.answers.addAll(counts),
    onRevision,
    isReady,
  });
}

/** The names of this process's index that objects make; each other process is told them, too. */
export function toldTo(others: AnswerProcesses, index: ZoneIndex): ObjectNames {
  return {
    namespaces: () => index.namespaces(),
    setNamespace: (cluster, namespace, exists) => {
      index.setNamespace(cluster, namespace, exists);
      others.tell({ type: 'namespace', cluster, namespace, exists });
    },
    pods: () => index.pods(),
    setPod: (cluster, { namespace, name }, label) => {
      index.setPod(cluster, { namespace, name }, label);
      others.tell({ type: 'pod', cluster, namespace, name, label });
    },
  };
}

type ObjectNames = Pick<ZoneIndex, 'namespaces' | 'setNamespace' | 'pods' | 'setPod'>;

/** Of each process: packets come to them about evenly. At least one, or nothing would ever go out. */
export function rateLimitOf({ rateLimit, rateLimitSlip = 2, processes = 1 }: DnsServerOptions) {
  return rateLimit === undefined ? undefined : { perSecond: Math.max(1, rateLimit / processes), slip: rateLimitSlip };
}
