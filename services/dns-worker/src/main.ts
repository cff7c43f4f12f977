import {
  type LeaseFlags,
  leaseOption,
  runProcess,
  settingOption,
  startSharedWorker,
  wholeNumber,
} from '@signalbox/kit';
import { DEFAULT_DNS_TTL_SECONDS, dnsWorker } from './index.ts';

await runProcess<LeaseFlags & { dnsTtl: number }>({
  name: 'dns-worker',
  description: 'Derives DNS records from Services and EndpointSlices.',
  options: (command) =>
    command.addOption(leaseOption()).addOption(
      settingOption('--dns-ttl <seconds>', 'TTL of the records')
        .default(DEFAULT_DNS_TTL_SECONDS)
        .argParser(wholeNumber({ min: 0, max: 86_400 })),
    ),
  start: (context, { dnsTtl, lease }) =>
    startSharedWorker(context, dnsWorker({ ttlSeconds: dnsTtl }), { leaseMs: lease * 1000 }),
});
