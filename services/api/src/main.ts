import { parseListenAddress, runProcess, settingOption, wholeNumber } from '@signalbox/kit';
import { startApi } from './index.ts';

interface Options {
  readonly listen: string;
  readonly store: string;
  readonly dnsTtl: number;
  readonly clusterCidr?: readonly string[];
  readonly historyRevisions?: number;
  readonly historyDays?: number;
  readonly externalDns?: boolean;
}

const DAY_MS = 86_400_000;

await runProcess<Options>({
  name: 'api',
  description: 'Keeps the read model in SQLite and serves it over HTTP.',
  options: (command) =>
    command
      .addOption(settingOption('--listen <address>', 'address of the HTTP API').default('127.0.0.1:7070'))
      .addOption(
        settingOption('--store <file>', 'SQLite file; rebuilt from the event log when missing').default('store.db'),
      )
      .addOption(
        settingOption('--dns-ttl <seconds>', "TTL of the zones' own records")
          .default(30)
          .argParser(wholeNumber({ min: 0, max: 86_400 })),
      )
      .addOption(
        settingOption('--cluster-cidr <cidrs>', 'pod networks, separated by commas, for rules').argParser((text) =>
          text.split(','),
        ),
      )
      .addOption(settingOption('--external-dns', 'serve the webhook provider API of ExternalDNS below /external-dns'))
      .addOption(
        settingOption('--history-revisions <count>', 'how many revisions of history to keep').argParser(
          wholeNumber({ min: 0, max: 1_000_000_000 }),
        ),
      )
      .addOption(
        settingOption('--history-days <days>', 'how long to keep history').argParser(
          wholeNumber({ min: 0, max: 36_500 }),
        ),
      ),
  start: (context, options) =>
    startApi(context, {
      storePath: options.store,
      listen: parseListenAddress(options.listen),
      ttlSeconds: options.dnsTtl,
      hasExternalDns: options.externalDns === true,
      historyRetention: retentionOf(options),
      ...(options.clusterCidr && { clusterCIDRs: options.clusterCidr }),
    }),
});

function retentionOf({ historyRevisions, historyDays }: Options) {
  return {
    ...(historyRevisions !== undefined && { maxRevisions: historyRevisions }),
    ...(historyDays !== undefined && { maxAgeMs: historyDays * DAY_MS }),
  };
}
