import { parseListenAddress, runProcess, settingOption, wholeNumber } from '@signalbox/kit';
import {
  type DnsServerOptions,
  type ForwardSettings,
  readTransferSettings,
  startDnsServer,
  type TransferFlags,
  transferOptions,
} from './index.ts';

interface Options extends TransferFlags {
  readonly listen: string;
  readonly dnsTtl: number;
  readonly serverAddresses?: readonly string[];
  readonly allowQuery?: readonly string[];
  readonly rateLimit?: number;
  readonly dnsForward?: readonly string[];
  readonly dnsStub?: Readonly<Record<string, readonly string[]>>;
  readonly dnsForwardFor?: readonly string[];
}

await runProcess<Options>({
  name: 'dns-server',
  description: 'Serves the zones of every cluster over UDP and TCP.',
  options: (command) => {
    command
      .addOption(settingOption('--listen <address>', 'UDP and TCP').default('127.0.0.1:5353'))
      .addOption(
        settingOption('--dns-ttl <seconds>', "TTL of the zones' own records and of negative answers")
          .default(30)
          .argParser(wholeNumber({ min: 0, max: 86_400 })),
      )
      .addOption(
        settingOption('--server-addresses <addresses>', 'what ns.dns.ZONE resolves to, separated by commas').argParser(
          split,
        ),
      )
      .addOption(
        settingOption('--allow-query <ranges>', 'who may ask: RANGE or ZONE=RANGE, separated by commas').argParser(
          split,
        ),
      )
      .addOption(
        settingOption('--rate-limit <count>', 'UDP answers of one kind to one network, a second').argParser(
          wholeNumber({ min: 1, max: 1_000_000 }),
        ),
      )
      .addOption(
        settingOption('--dns-forward <resolvers>', 'where to ask for other names, separated by commas').argParser(
          split,
        ),
      )
      .addOption(
        settingOption('--dns-stub <domains>', 'the same for single domains: DOMAIN=RESOLVER,…; DOMAIN=…').argParser(
          stubs,
        ),
      )
      .addOption(settingOption('--dns-forward-for <ranges>', 'for whom, separated by commas').argParser(split));
    for (const option of transferOptions()) command.addOption(option);
    return command;
  },
  start: async (context, { listen, dnsTtl, ...flags }) =>
    await startDnsServer(context, {
      listen: [parseListenAddress(listen)],
      ttlSeconds: dnsTtl,
      ...answerSettings(flags),
      ...(await readTransferSettings(flags)),
    }),
});

type AnswerFlags = Omit<Options, 'listen' | 'dnsTtl' | keyof TransferFlags>;

function answerSettings(flags: AnswerFlags): Partial<DnsServerOptions> {
  const { serverAddresses, allowQuery, rateLimit, dnsForward, dnsStub } = flags;
  return {
    ...(serverAddresses && { serverAddresses }),
    ...(allowQuery && { allowQuery }),
    ...(rateLimit && { rateLimit }),
    ...((dnsForward ?? dnsStub) && { forward: forwardSettings(flags) }),
  };
}

function forwardSettings({ dnsForward, dnsStub, dnsForwardFor }: AnswerFlags): ForwardSettings {
  return {
    ...(dnsForward && { upstreams: dnsForward }),
    ...(dnsStub && { stubs: dnsStub }),
    ...(dnsForwardFor && { clients: dnsForwardFor }),
  };
}

/** `corp.example=10.0.0.2,10.0.0.3; lab.example=10.1.0.2`. */
function stubs(text: string): Record<string, string[]> {
  return Object.fromEntries(
    text.split(';').map((part): [string, string[]] => {
      const [domain = '', resolvers = ''] = part.trim().split('=');
      return [domain, split(resolvers)];
    }),
  );
}

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}
