/** The settings of answers as flags, for every process that has a DNS server in it. */
import { settingOption, wholeNumber } from '@signalbox/kit';
import { POD_MODES, type PodMode } from '@signalbox/zones';
import type { DnsServerOptions } from './dns-server-options.ts';
import type { ForwardSettings } from './forward/forwarder.ts';
import { RECEIVER_KINDS, type ReceiverKind } from './udp-receiver.ts';

export interface AnswerFlags {
  readonly dnsPods: PodMode;
  readonly dnsAllowQuery?: readonly string[];
  readonly dnsRateLimit?: number;
  readonly dnsForward?: readonly string[];
  readonly dnsStub?: readonly string[];
  readonly dnsForwardFor?: readonly string[];
  readonly dnsProcesses: number;
  readonly dnsReceiver: ReceiverKind;
}

export type AnswerSettings = Pick<
  DnsServerOptions,
  'pods' | 'allowQuery' | 'rateLimit' | 'forward' | 'processes' | 'udpReceiver'
>;

/** Lists may be repeated; several in one environment variable are separated by blanks. */
export function answerOptions(): ReturnType<typeof settingOption>[] {
  return [
    settingOption('--dns-pods <mode>', 'names of pods, such as 10-1-2-3.NAMESPACE.pod.DOMAIN')
      .choices(POD_MODES)
      .default('insecure'),
    settingOption('--dns-allow-query <rules>', 'who may ask: [ZONE=]RANGE (repeatable; default: everybody)').argParser(
      collect,
    ),
    settingOption('--dns-rate-limit <count>', 'UDP answers of one kind to one network, a second').argParser(
      wholeNumber({ min: 1, max: 1_000_000 }),
    ),
    settingOption('--dns-forward <resolvers>', 'where other names are asked: ADDRESS[:PORT] (repeatable)').argParser(
      collect,
    ),
    settingOption(
      '--dns-stub <domains>',
      'where one domain is asked: DOMAIN=ADDRESS[:PORT][,...] (repeatable)',
    ).argParser(collect),
    settingOption('--dns-forward-for <ranges>', 'for whom others are asked (repeatable; default: loopback)').argParser(
      collect,
    ),
    settingOption('--dns-processes <count>', 'processes that answer over UDP')
      .default(1)
      .argParser(wholeNumber({ min: 1, max: 64 })),
    settingOption('--dns-receiver <kind>', 'UDP packets by batches (where that was built), or one by one')
      .choices(RECEIVER_KINDS)
      .default('batch'),
  ];
}

export function readAnswerSettings(flags: AnswerFlags): AnswerSettings {
  const { dnsPods, dnsAllowQuery, dnsRateLimit, dnsForward, dnsStub } = flags;
  return {
    pods: dnsPods,
    processes: flags.dnsProcesses,
    udpReceiver: flags.dnsReceiver,
    ...(dnsAllowQuery && { allowQuery: dnsAllowQuery }),
    ...(dnsRateLimit && { rateLimit: dnsRateLimit }),
    ...((dnsForward ?? dnsStub) && { forward: forwardSettings(flags) }),
  };
}

function forwardSettings({ dnsForward, dnsStub, dnsForwardFor }: AnswerFlags): ForwardSettings {
  return {
    ...(dnsForward && { upstreams: dnsForward }),
    ...(dnsStub && { stubs: Object.fromEntries(dnsStub.map(stub)) }),
    ...(dnsForwardFor && { clients: dnsForwardFor }),
  };
}

/** What is wrong with it the forwarder says. */
function stub(text: string): [domain: string, resolvers: string[]] {
  const [domain = '', resolvers = ''] = text.split('=');
  return [domain, resolvers.split(',')];
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(/[\s;]+/).filter((entry) => entry !== '')];
}
