import { runProcess, settingOption, startWorkers, wholeNumber } from '@signalbox/kit';
import { DEFAULT_DNS_TTL_SECONDS, dnsWorker } from './index.ts';

await runProcess<{ dnsTtl: number }>({
  name: 'dns-worker',
  description: 'Derives DNS records from Services and EndpointSlices.',
  options: (command) =>
    command.addOption(
      settingOption('--dns-ttl <seconds>', 'TTL of the records')
        .default(DEFAULT_DNS_TTL_SECONDS)
        .argParser(wholeNumber({ min: 0, max: 86_400 })),
    ),
  start: (context, { dnsTtl }) => startWorkers(context, [dnsWorker({ ttlSeconds: dnsTtl })]),
});
