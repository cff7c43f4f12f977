import { type ListenAddress, listenOption, runProcess, settingOption, wholeNumber } from '@signalbox/kit';
import {
  type AnswerFlags,
  answerOptions,
  readAnswerSettings,
  readTransferSettings,
  startDnsServer,
  type TransferFlags,
  transferOptions,
} from './index.ts';

interface Options extends TransferFlags, AnswerFlags {
  readonly listen: ListenAddress;
  readonly dnsTtl: number;
  readonly serverAddresses?: readonly string[];
}

await runProcess<Options>({
  name: 'dns-server',
  description: 'Serves the zones of every cluster over UDP and TCP.',
  options: (command) => {
    command
      .addOption(listenOption('--listen <address>', 'UDP and TCP', '127.0.0.1:5353'))
      .addOption(
        settingOption('--dns-ttl <seconds>', "TTL of the zones' own records and of negative answers")
          .default(30)
          .argParser(wholeNumber({ min: 0, max: 86_400 })),
      )
      .addOption(
        settingOption('--server-addresses <addresses>', 'what ns.dns.ZONE resolves to, separated by commas').argParser(
          split,
        ),
      );
    for (const option of [...answerOptions(), ...transferOptions()]) command.addOption(option);
    return command;
  },
  start: async (context, { listen, dnsTtl, serverAddresses, ...flags }) =>
    await startDnsServer(context, {
      listen: [listen],
      ttlSeconds: dnsTtl,
      ...(serverAddresses && { serverAddresses }),
      ...readAnswerSettings(flags),
      ...(await readTransferSettings(flags)),
    }),
});

function split(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}
