/** Runs the built command line and services as real processes. `npm test` builds them first. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './root.ts';

export { ROOT };
export const CLI = join(ROOT, 'packages/cli/bin/signalbox.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `signalbox ARGS` to its end. */
export async function signalbox(args: readonly string[], input = ''): Promise<Finished> {
  const running = startProcess([CLI, ...args]);
  running.child.stdin?.end(input);
  return await running.finished;
}

export interface RunningProcess {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  readonly finished: Promise<Finished>;
  /** Resolves with the match once standard output or error holds it; rejects when the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<Finished>;
}

/** A Node process; `entry` is a script and its arguments. Killed when the tests' process ends. */
export function startProcess(entry: readonly string[], env: NodeJS.ProcessEnv = {}): RunningProcess {
  const child = spawn(process.execPath, entry, { cwd: ROOT, env: { ...process.env, ...env } });
  const text = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
      for (const watcher of watchers) watcher();
    });
  }
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const finished = once(child, 'close').then(([code]): Finished => {
    process.removeListener('exit', kill);
    return { code: code as number | null, ...text };
  });
  return {
    child,
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
    finished,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text.stdout) ?? pattern.exec(text.stderr);
          if (match === null) return;
          watchers.delete(look);
          resolve(match);
        };
        watchers.add(look);
        finished.then(
          ({ code }) => reject(new Error(`ended with ${code} before ${pattern}:\n${text.stdout}${text.stderr}`)),
          reject,
        );
        look();
      }),
    stop: async () => {
      child.kill('SIGTERM');
      return await finished;
    },
  };
}

/** A folder that is removed by the returned function. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
