/**
 * Tells that something may have changed at or below a path; what did is for the caller to find out.
 *
 * The folder above is watched too, for there an atomic save, a swapped symbolic link and the return of a removed path
 * show. Raw events are taken as well as chokidar's own, because a swap behind a hidden link (as in a mounted ConfigMap)
 * gives only those.
 */
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { watch } from 'chokidar';
import { isHidden, isManifestName } from './list-manifest-files.ts';

export interface PathWatch {
  close(): Promise<void>;
}

export interface WatchPathOptions {
  readonly path: string;
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

export function watchPath({ path, onChange, onError }: WatchPathOptions): PathWatch {
  const root = resolve(path);
  const parent = dirname(root);
  const watcher = watch(parent, {
    ignored: (candidate, stats) => isIgnored(candidate, { root, parent, isFile: stats?.isFile() === true }),
    ignoreInitial: true,
    ignorePermissionErrors: true,
    atomic: false,
  });
  watcher.on('raw', (_event, name, details) => {
    if (isRelevant(name, { isParent: watchedPathOf(details) === parent, root })) onChange();
  });
  watcher.on('all', onChange);
  watcher.on('ready', onChange);
  watcher.on('error', onError);
  return {
    close: async () => {
      const closed = watcher.close();
      // Closing takes the listeners away, and an error that was under way would then end the process.
      watcher.on('error', () => undefined);
      await closed;
    },
  };
}

interface IgnoreContext {
  readonly root: string;
  readonly parent: string;
  readonly isFile: boolean;
}

function isIgnored(candidate: string, { root, parent, isFile }: IgnoreContext): boolean {
  const path = resolve(candidate);
  if (path === parent || path === root) return false;
  if (!path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return true;
  const isBelowHidden = relative(root, path).split(sep).some(isHidden);
  return isBelowHidden || (isFile && !isManifestName(path));
}

/** A busy folder above must not matter; `..data` is the link that a mounted ConfigMap swaps. */
function isRelevant(name: unknown, { isParent, root }: { isParent: boolean; root: string }): boolean {
  if (typeof name !== 'string') return true;
  if (name.startsWith('..')) return true;
  return isParent ? name === basename(root) : !isHidden(name);
}

function watchedPathOf(details: unknown): unknown {
  return typeof details === 'object' && details !== null && 'watchedPath' in details ? details.watchedPath : undefined;
}
