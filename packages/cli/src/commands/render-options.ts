/** What every `signalbox render` command takes, and how it ends. */
import { Readable } from 'node:stream';
import { addSourceOptions, type SourceFlags } from '@signalbox/api-watcher';
import type { Command } from 'commander';
import { type CliIo, EXIT } from '../io.ts';
import { type OfflinePlane, readOfflinePlane } from '../offline-plane.ts';

export interface RenderOptions {
  readonly cluster?: string;
  /** Of the commands whose output depends on intents. */
  readonly intents?: string;
  readonly strict?: boolean;
}

export function addRenderOptions(command: Command): () => SourceFlags {
  const readSources = addSourceOptions(command, { onlyManifests: true });
  command
    .option('--cluster <name>', 'which of the clusters; not needed when there is one')
    .option('--strict', 'fail when anything had to be left out');
  return readSources;
}

export function addIntentsOption(command: Command): Command {
  return command.option('--intents <file>', 'also intents, from a file that "signalbox backup" made of them');
}

export async function readPlane(
  flags: SourceFlags,
  { cluster, intents }: Pick<RenderOptions, 'cluster' | 'intents'>,
  io: CliIo,
): Promise<OfflinePlane> {
  return await readOfflinePlane({ flags, cluster, intents, stdin: Readable.from(io.stdin) });
}

/** Problems go to standard error; the output is whole without them, unless the caller asked to be strict. */
export function finishRender(io: CliIo, problems: readonly string[], options: RenderOptions, text: string): void {
  for (const problem of problems) io.stderr.write(`left out: ${problem}\n`);
  if (options.strict === true && problems.length > 0) {
    process.exitCode = EXIT.failed;
    return;
  }
  io.stdout.write(text);
}
