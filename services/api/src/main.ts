import {
  type AccessFlags,
  accessOptions,
  accessSettingsOf,
  type HistorySettings,
  historyOptions,
  historyRetentionOf,
  type ListenAddress,
  listenOption,
  networkList,
  runProcess,
  settingOption,
  wholeNumber,
} from '@signalbox/kit';
import { startApi } from './index.ts';

interface Options extends HistorySettings, AccessFlags {
  readonly listen: ListenAddress;
  readonly store: string;
  readonly dnsTtl: number;
  readonly clusterCidr?: readonly string[];
  readonly externalDns?: boolean;
  readonly adminTokenFile: string;
}

await runProcess<Options>({
  name: 'api',
  description: 'Keeps the read model in SQLite and serves it over HTTP.',
  options: (command) => {
    for (const option of historyOptions()) command.addOption(option);
    for (const option of accessOptions()) command.addOption(option);
    return command
      .addOption(settingOption('--admin-token-file <file>', 'where the first token is put').default('admin.token'))
      .addOption(listenOption('--listen <address>', 'address of the HTTP API', '127.0.0.1:7070'))
      .addOption(
        settingOption('--store <file>', 'SQLite file; rebuilt from the event log when missing').default('store.db'),
      )
      .addOption(
        settingOption('--dns-ttl <seconds>', "TTL of the zones' own records")
          .default(30)
          .argParser(wholeNumber({ min: 0, max: 86_400 })),
      )
      .addOption(
        settingOption('--cluster-cidr <cidrs>', 'pod networks, separated by commas, for rules').argParser(networkList),
      )
      .addOption(settingOption('--external-dns', 'serve the webhook provider API of ExternalDNS below /external-dns'));
  },
  start: (context, options) =>
    startApi(context, {
      storePath: options.store,
      listen: options.listen,
      ttlSeconds: options.dnsTtl,
      historyRetention: historyRetentionOf(options),
      hasExternalDns: options.externalDns === true,
      adminTokenFile: options.adminTokenFile,
      ...accessSettingsOf(options),
      ...(options.clusterCidr && { clusterCIDRs: options.clusterCidr }),
    }),
});
