/** What every `signalbox render` command takes, and how it ends. */
import { Readable } from 'node:stream';
import { addSourceOptions, type SourceFlags } from '@signalbox/api-watcher';
import type { Command } from 'commander';
import { type CliIo, EXIT } from '../io.ts';
import { type OfflineCluster, readOfflineCluster } from '../offline-cluster.ts';

export interface RenderOptions {
  readonly cluster?: string;
  readonly strict?: boolean;
}

export function addRenderOptions(command: Command): () => SourceFlags {
  const readSources = addSourceOptions(command, { onlyManifests: true });
  command
    .option('--cluster <name>', 'which of the clusters; not needed when there is one')
    .option('--strict', 'fail when anything had to be left out');
  return readSources;
}

export async function readCluster(flags: SourceFlags, options: RenderOptions, io: CliIo): Promise<OfflineCluster> {
  return await readOfflineCluster(flags, options.cluster, Readable.from(io.stdin));
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
