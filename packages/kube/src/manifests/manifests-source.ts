/**
 * A cluster read from manifest files, followed as they change.
 *
 *     start ──► watching ◄──► unreachable     the path is gone: the objects last read stay
 *                   ▲
 *                   └──────► failed           the sink took nothing: tried again with the complete list at the next look
 *
 * One reload serves any number of file events. It reads only the files that changed, and applies only the objects that
 * did. Events can be lost (network file systems, too few inotify watches), so the files are looked at from time to time
 * anyway.
 */
import type { Readable } from 'node:stream';
import {
  errorText,
  SignalboxError,
  SOURCE_KINDS,
  type SourceKind,
  type SourceState,
  type SourceStatus,
} from '@signalbox/contracts';
import { MissingSlicesDeriver } from '../endpoint-slices/derive-missing-slices.ts';
import type { Source, SourceLogger, SourceObject, SourceSink } from '../source.ts';
import { CoalescedTask } from './coalesced-task.ts';
import { type ManifestProblem, problemText } from './manifest-problem.ts';
import { ManifestReader, type Reading } from './manifest-reader.ts';
import { statusesOf } from './manifest-statuses.ts';
import { type MergedManifests, mergeManifests } from './merge-manifests.ts';
import type { ManifestFile } from './parse-manifest.ts';
import { planChanges } from './plan-changes.ts';
import { missingPath, readStdin, STDIN_PATH, sourceObject } from './read-manifests.ts';
import { type PathWatch, watchPath } from './watch-path.ts';

export interface ManifestsSourceOptions {
  readonly cluster: string;
  readonly domain: string;
  /** File, folder, or `-` for standard input, which is read once. */
  readonly path: string;
  readonly stdin?: Readable;
  /** Default: those that every source reads. */
  readonly kinds?: readonly SourceKind[];
  readonly logger?: SourceLogger;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}

/** `start` throws `invalid` when there is nothing at the path. */
export function manifestsSource(options: ManifestsSourceOptions): Source {
  return new ManifestsSource(options);
}

/** chokidar holds back a second event of a file for 50 ms; reading later than that misses nothing. */
const RELOAD = { quietMs: 60, maxWaitMs: 400, gapMs: 250 };
/** Also the time until a sink that failed is tried again. */
const RESCAN_MS = 5_000;

class ManifestsSource implements Source {
  readonly type = 'manifests';
  readonly cluster: string;
  readonly domain: string;
  readonly kinds: readonly SourceKind[];
  readonly #options: ManifestsSourceOptions;
  readonly #reader: ManifestReader;
  readonly #reload = new CoalescedTask(() => this.#tryReadAgain(), RELOAD);
  readonly #deriver = new MissingSlicesDeriver();
  readonly #statuses = new Map<string, SourceStatus>();
  #sink: SourceSink | undefined;
  #starting: Promise<void> | undefined;
  #watch: PathWatch | undefined;
  #watchedLinks = '';
  #rescan: NodeJS.Timeout | undefined;
  #merged: MergedManifests = mergeManifests([]);
  /** What the sink holds; undefined when that is not known. */
  #published: MergedManifests['objects'] | undefined;
  #loggedProblems: ReadonlySet<string> = new Set();
  #isStopped = false;

  constructor(options: ManifestsSourceOptions) {
    this.#options = options;
    this.cluster = options.cluster;
    this.domain = options.domain;
    this.kinds = options.kinds ?? SOURCE_KINDS;
    this.#reader = new ManifestReader(options.path);
  }

  async start(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    this.#starting = this.#readFirst();
    await this.#starting;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#rescan);
    if (this.#isStdin) this.#options.stdin?.destroy();
    await this.#starting?.catch(() => undefined);
    await this.#reload.stop();
    await this.#watch?.close();
  }

  async #readFirst(): Promise<void> {
    const { files, links } = this.#isStdin ? await this.#readStdin() : await this.#readPath();
    if (this.#isStopped) return;
    this.#report('syncing');
    this.#take(files);
    await this.#publish();
    if (this.#isStopped) return;
    this.#rescan = setInterval(() => this.#reload.request(), RESCAN_MS);
    if (!this.#isStdin) await this.#follow(links);
  }

  get #isStdin(): boolean {
    return this.#options.path === STDIN_PATH;
  }

  async #readStdin(): Promise<{ files: readonly ManifestFile[]; links: string }> {
    return { files: [await readStdin(this.#options.stdin)], links: '' };
  }

  async #readPath(): Promise<Reading> {
    const { path } = this.#options;
    const reading = await this.#reader.read().catch((cause: unknown) => {
      throw new SignalboxError('invalid', `manifests "${path}" cannot be read`, { cause });
    });
    if (reading === undefined) throw missingPath(path);
    return reading;
  }

  async #tryReadAgain(): Promise<void> {
    try {
      await this.#readAgain();
    } catch (err) {
      this.#options.logger?.warn({ cluster: this.cluster, err }, 'manifests not reloaded');
    }
  }

  async #readAgain(): Promise<void> {
    if (this.#isStdin) return this.#publish();
    const reading = await this.#reader.read().catch((error: unknown) => errorText(error));
    if (this.#isStopped) return;
    if (reading === undefined || typeof reading === 'string') {
      this.#watchedLinks = '';
      return this.#reportUnreachable(reading ?? 'there is no such file or folder any more');
    }
    if (reading.links !== this.#watchedLinks) await this.#follow(reading.links);
    if (reading.isUnsettled) this.#reload.request();
    if (reading.hasChanged) this.#take(reading.files);
    await this.#publish();
  }

  /** A watch follows the links as they were, so it is set up anew when they lead elsewhere, or came back. */
  async #follow(links: string): Promise<void> {
    await this.#watch?.close();
    if (this.#isStopped) return;
    this.#watchedLinks = links;
    this.#watch = watchPath({
      path: this.#options.path,
      onChange: () => this.#reload.request(),
      onError: (err) => this.#options.logger?.warn({ cluster: this.cluster, err }, 'manifests cannot all be watched'),
    });
  }

  #take(files: readonly ManifestFile[]): void {
    this.#merged = mergeManifests(files, { deriver: this.#deriver, withPods: this.kinds.includes('Pod') });
    const { objects, problems, ignored } = this.#merged;
    this.#logProblems(problems);
    const counts = { files: files.length, objects: objects.size, ignored, problems: problems.length };
    this.#options.logger?.info({ cluster: this.cluster, ...counts }, 'manifests read');
  }

  #logProblems(problems: readonly ManifestProblem[]): void {
    const logged = this.#loggedProblems;
    for (const problem of problems) {
      if (!logged.has(problemText(problem))) {
        this.#options.logger?.warn({ cluster: this.cluster, ...problem }, 'manifest left out');
      }
    }
    this.#loggedProblems = new Set(problems.map(problemText));
  }

  async #publish(): Promise<void> {
    const { objects } = this.#merged;
    try {
      await this.#write(objects);
      this.#published = objects;
      if (!this.#isStopped) this.#report('watching');
    } catch (err) {
      this.#published = undefined;
      if (this.#isStopped) return;
      this.#options.logger?.warn({ cluster: this.cluster, err }, 'manifests not stored');
      this.#report('failed', `the objects read could not be stored: ${errorText(err)}`);
    }
  }

  async #write(objects: MergedManifests['objects']): Promise<void> {
    const changedAtMs = this.#options.clock();
    if (this.#published === objects) return;
    if (this.#published !== undefined) {
      const changes = planChanges(this.#published, objects, changedAtMs);
      if (changes.length > 0) await this.#sink?.apply(changes);
      return;
    }
    const all: SourceObject[] = [...objects.values()].map((object) => sourceObject(object, changedAtMs));
    for (const kind of this.kinds) {
      if (this.#isStopped) return;
      await this.#sink?.replace(
        kind,
        all.filter(({ object }) => object.kind === kind),
      );
    }
  }

  #reportUnreachable(reason: string): void {
    const { path, logger } = this.#options;
    const message = `manifests "${path}": ${reason}; the objects last read from it stay`;
    if (this.#report('unreachable', message))
      logger?.warn({ cluster: this.cluster, path, reason }, 'manifests unreachable');
  }

  /** Returns whether any status is another than before. */
  #report(state: SourceState, message = ''): boolean {
    let hasChanged = false;
    for (const status of statusesOf(this, { state, message, ...this.#merged })) {
      const before = this.#statuses.get(status.kind);
      const sinceMs = before?.state === state ? before.sinceMs : this.#options.clock();
      if (before !== undefined && isSameStatus(before, { ...status, sinceMs })) continue;
      hasChanged = true;
      this.#statuses.set(status.kind, { ...status, sinceMs });
      this.#sink?.report({ ...status, sinceMs });
    }
    return hasChanged;
  }
}

function isSameStatus(a: SourceStatus, b: SourceStatus): boolean {
  return a.state === b.state && a.message === b.message && a.objects === b.objects && a.skipped === b.skipped;
}
