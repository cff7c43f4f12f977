/** Reads the files of a path again and again, each only when it changed, and forgets no object because of a bad moment. */
import { errorText } from '@signalbox/contracts';
import { isGone, type ListedFile, listManifestFiles } from './list-manifest-files.ts';
import { type ManifestProblem, refKey } from './manifest-problem.ts';
import { type ManifestFile, parseManifest } from './parse-manifest.ts';
import { readFileText } from './read-text.ts';

export interface Reading {
  readonly files: readonly ManifestFile[];
  /** Whether `files` differs from the reading before. */
  readonly hasChanged: boolean;
  /** Some file is being written just now, and is as it was before: read again soon. */
  readonly isUnsettled: boolean;
  /** Where symbolic links lead, for a watcher to follow. */
  readonly links: string;
}

interface KnownFile {
  readonly stamp: string;
  readonly content: ManifestFile;
  /** The content is older than the stamp, because the file seemed to be in the middle of being written. */
  readonly isUnsettled: boolean;
}

type KnownFiles = ReadonlyMap<string, KnownFile>;

export class ManifestReader {
  readonly #path: string;
  #known: KnownFiles = new Map();

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined when there is nothing at the path; what was known stays known. */
  async read(): Promise<Reading | undefined> {
    const listing = await listManifestFiles(this.#path);
    if (listing === undefined) return undefined;
    const known = new Map<string, KnownFile>();
    for (const listed of listing.files) {
      const now = await readFile(listed, this.#known.get(listed.file));
      if (now !== undefined) known.set(listed.file, now);
    }
    for (const unreadable of listing.unreadable) keepBelow(unreadable, { before: this.#known, known });
    const hasChanged = !hasSameContents(known, this.#known);
    this.#known = known;
    const files = [...known.values()].map(({ content }) => content).sort((a, b) => (a.file < b.file ? -1 : 1));
    const isUnsettled = [...known.values()].some((file) => file.isUnsettled);
    return { files, hasChanged, isUnsettled, links: listing.links };
  }
}

/**
 *     the same as before                    → not read
 *     gone, or changed while it was read    → unsettled
 *     empty for the first time, was not so  → unsettled: most programs empty a file before they write it
 *     cannot be read, or has problems       → what it had and may still have stays
 *     good                                  → as it is
 *
 * A file without a past is taken as it is.
 */
async function readFile({ file, stamp }: ListedFile, before: KnownFile | undefined): Promise<KnownFile | undefined> {
  if (before?.stamp === stamp && !before.isUnsettled) return before;
  try {
    const { text, stampBefore, stampAfter } = await readFileText(file);
    if (before !== undefined && before.content.objects.length > 0) {
      const isNewlyEmpty = text.trim() === '' && before.stamp !== stamp;
      if (isNewlyEmpty || stampBefore !== stamp || stampAfter !== stamp) return { ...before, stamp, isUnsettled: true };
    }
    return { stamp, content: keepHidden(parseManifest({ file, text }), before?.content), isUnsettled: false };
  } catch (error) {
    if (isGone(error)) return before && { ...before, stamp, isUnsettled: true };
    return { stamp, content: withKept({ file, reason: errorText(error) }, before), isUnsettled: false };
  }
}

/** A folder that cannot be listed says nothing about its files. */
function keepBelow(
  { path, reason }: { path: string; reason: string },
  { before, known }: { before: KnownFiles; known: Map<string, KnownFile> },
): void {
  for (const [file, content] of before) if (file.startsWith(`${path}/`)) known.set(file, content);
  const content = withKept({ file: path, reason }, before.get(path));
  known.set(path, { stamp: '', content, isUnsettled: false });
}

function withKept(problem: ManifestProblem, before: KnownFile | undefined): ManifestFile {
  return keepHidden({ file: problem.file, objects: [], ignored: 0, problems: [problem] }, before?.content);
}

/**
 * A problem that names its object hides that object; any other may hide every object of its file. Hidden ones stay as
 * they were last read, for a file that is being edited must not take a Service down.
 */
function keepHidden(content: ManifestFile, before: ManifestFile | undefined): ManifestFile {
  if (before === undefined || content.problems.length === 0) return content;
  const present = new Set(content.objects.map(({ ref }) => refKey(ref)));
  const hidesAll = content.problems.some(({ object }) => object === undefined);
  const hidden = new Set(content.problems.map(({ object }) => (object === undefined ? '' : refKey(object))));
  const kept = before.objects.filter(({ ref }) => {
    const key = refKey(ref);
    return !present.has(key) && (hidesAll || hidden.has(key));
  });
  return { ...content, objects: [...content.objects, ...kept] };
}

function hasSameContents(a: KnownFiles, b: KnownFiles): boolean {
  return a.size === b.size && [...a].every(([file, { content }]) => content === b.get(file)?.content);
}
