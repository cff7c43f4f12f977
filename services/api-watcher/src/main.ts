import { Readable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import { runProcess } from '@signalbox/kit';
import { addSourceOptions, openSources, type SourceFlags, startApiWatcher } from './index.ts';

let readFlags: () => SourceFlags = () => {
  throw new SignalboxError('internal', 'flags were not set up');
};

await runProcess({
  name: 'api-watcher',
  description: 'Watches clusters and keeps the event log equal to them.',
  options: (command) => {
    readFlags = addSourceOptions(command);
    return command;
  },
  start: (context) => {
    const { logger } = context;
    const flags = readFlags();
    const sources = openSources(flags, { logger, stdin: Readable.from(process.stdin) });
    return startApiWatcher(context, { sources, forget: flags.forget });
  },
});
