import { Readable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import { type LeaseFlags, leaseOption, runProcess, settingOption } from '@signalbox/kit';
import { addSourceOptions, openSources, type SourceFlags, startWatcherInTurn } from './index.ts';

let readFlags: () => SourceFlags = () => {
  throw new SignalboxError('internal', 'flags were not set up');
};

await runProcess<LeaseFlags & { pods?: boolean }>({
  name: 'api-watcher',
  description: 'Watches clusters and keeps the event log equal to them.',
  options: (command) => {
    readFlags = addSourceOptions(command);
    return command
      .addOption(settingOption('--pods', 'read Pods too, for DNS servers with --dns-pods verified'))
      .addOption(leaseOption());
  },
  start: (context, { pods, lease }) => {
    const { logger } = context;
    const flags = readFlags();
    const sources = openSources(flags, { logger, stdin: Readable.from(process.stdin), withPods: pods === true });
    return startWatcherInTurn(context, { sources, forget: flags.forget, leaseMs: lease * 1000 });
  },
});
