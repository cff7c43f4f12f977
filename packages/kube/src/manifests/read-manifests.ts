import type { Readable } from 'node:stream';
import { errorText, SignalboxError } from '@signalbox/contracts';
import type { SourceObject } from '../source.ts';
import type { ManifestProblem } from './manifest-problem.ts';
import { ManifestReader } from './manifest-reader.ts';
import { mergeManifests } from './merge-manifests.ts';
import { type ManifestFile, parseManifest } from './parse-manifest.ts';
import { readStreamText } from './read-text.ts';

export interface Manifests {
  /** Services, EndpointSlices (derived ones too), Nodes and Namespaces, in order of kind and name. */
  readonly objects: readonly SourceObject[];
  readonly problems: readonly ManifestProblem[];
  /** Objects of kinds that are not read. */
  readonly ignored: number;
}

export interface ReadManifestsOptions {
  /** What the path `-` stands for. */
  readonly stdin?: Readable;
  /** Epoch milliseconds. */
  readonly clock?: () => number;
}

/** The path of standard input. */
export const STDIN_PATH = '-';

/** Reads a file, a folder with all below it, or standard input, once. Throws `invalid` when there is nothing to read. */
export async function readManifests(path: string, options: ReadManifestsOptions = {}): Promise<Manifests> {
  const files = path === STDIN_PATH ? [await readStdin(options.stdin)] : await readFiles(path);
  const { objects, problems, ignored } = mergeManifests(files);
  const changedAtMs = (options.clock ?? Date.now)();
  const sorted = [...objects].sort(([a], [b]) => (a < b ? -1 : 1));
  return { objects: sorted.map(([, object]) => sourceObject(object, changedAtMs)), problems, ignored };
}

/**
 * Manifests have no resourceVersion that could be relied on: a dumped one stays when the file is edited. For the same
 * reason the time is that of reading, and not a `last-change-trigger-time` from the day of the dump.
 */
export function sourceObject(object: SourceObject['object'], changedAtMs: number): SourceObject {
  return { resourceVersion: '', changedAtMs, object };
}

async function readFiles(path: string): Promise<readonly ManifestFile[]> {
  const reading = await new ManifestReader(path).read().catch((cause: unknown) => {
    throw new SignalboxError('invalid', `manifests "${path}" cannot be read`, { cause });
  });
  if (reading === undefined) throw missingPath(path);
  return reading.files;
}

export function missingPath(path: string): SignalboxError {
  return new SignalboxError('invalid', `manifests "${path}": there is no such file or folder`);
}

export async function readStdin(stdin: Readable | undefined): Promise<ManifestFile> {
  if (stdin === undefined) throw new SignalboxError('invalid', 'manifests "-": no standard input was given');
  const file = '<stdin>';
  try {
    return parseManifest({ file, text: await readStreamText(stdin) });
  } catch (error) {
    return { file, objects: [], ignored: 0, problems: [{ file, reason: errorText(error) }] };
  }
}
