import { parseListenAddress, runProcess, settingOption, wholeNumber } from '@signalbox/kit';
import { startDnsServer } from './index.ts';

interface Options {
  readonly listen: string;
  readonly dnsTtl: number;
  readonly serverAddresses?: readonly string[];
  readonly transferTo?: readonly string[];
}

await runProcess<Options>({
  name: 'dns-server',
  description: 'Serves the zones of every cluster over UDP and TCP.',
  options: (command) =>
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
        settingOption('--transfer-to <ranges>', 'who may transfer zones, separated by commas').argParser(split),
      ),
  start: (context, { listen, dnsTtl, serverAddresses, transferTo }) =>
    startDnsServer(context, {
      listen: [parseListenAddress(listen)],
      ttlSeconds: dnsTtl,
      ...(serverAddresses && { serverAddresses }),
      ...(transferTo && { transferTo }),
    }),
});

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}
