import { Readable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import { runProcess, settingOption } from '@signalbox/kit';
import { addSourceOptions, openSources, type SourceFlags, startApiWatcher } from './index.ts';

let readFlags: () => SourceFlags = () => {
  throw new SignalboxError('internal', 'flags were not set up');
};

await runProcess<{ pods?: boolean }>({
  name: 'api-watcher',
  description: 'Watches clusters and keeps the event log equal to them.',
  options: (command) => {
    readFlags = addSourceOptions(command);
    return command.addOption(settingOption('--pods', 'read Pods too, for DNS servers with --dns-pods verified'));
  },
  start: (context, { pods }) => {
    const { logger } = context;
    const flags = readFlags();
    const sources = openSources(flags, { logger, stdin: Readable.from(process.stdin), withPods: pods === true });
    return startApiWatcher(context, { sources, forget: flags.forget });
  },
});
