/**
 * HAProxy as a process: which layout it runs, and the change to another one without losing a connection.
 *
 * A reload starts a new worker that takes the listeners over from the old one through the runtime socket (`expose-fd
 * listeners`); the old one serves its connections to their end. Either this driver starts HAProxy in master-worker mode and
 * reloads it through the master's socket, or somebody else runs it and a command reloads it. HAProxy is left running
 * when the driver ends, and found again when it starts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import { askHaproxy } from '../runtime/runtime-socket.ts';
import { type HaproxyFiles, replaceFile } from './haproxy-files.ts';

export interface HaproxyControlOptions {
  readonly files: HaproxyFiles;
  readonly logger: Logger;
  /** The program. */
  readonly haproxy: string;
  /** Words of the command that reloads a HAProxy which somebody else runs; absent: this driver runs it. */
  readonly reloadCommand?: readonly string[] | undefined;
  /** For one answer of the runtime socket, and for one program. */
  readonly timeoutMs: number;
}

const POLL_MS = 20;
const MAX_OUTPUT = 2_000;

export class HaproxyControl {
  readonly #options: HaproxyControlOptions;

  constructor(options: HaproxyControlOptions) {
    this.#options = options;
  }

  /** Answers of the runtime socket. */
  async ask(commands: readonly string[]): Promise<string[]> {
    const { files, timeoutMs } = this.#options;
    return await askHaproxy({ path: files.socket, timeoutMs }, commands);
  }

  /**
   * Hash of the layout that runs; empty: one that this driver did not write; undefined: no HAProxy runs. One that does not
   * answer runs all the same: then it throws `unavailable`, for nothing may be decided from silence.
   */
  async runningLayout(): Promise<string | undefined> {
    try {
      const [info = ''] = await this.ask(['show info']);
      return /^description: signalbox-(\w+)$/m.exec(info)?.[1] ?? '';
    } catch (error) {
      if (isNobodyThere(error)) return undefined;
      throw error;
    }
  }

  /** Keeps what is known of servers for the next worker. */
  async saveServersState(state: string): Promise<void> {
    await replaceFile(this.#options.files.state, state);
  }

  /** The configuration that a HAProxy which is started by somebody begins with. */
  async writeConfig(text: string): Promise<void> {
    await replaceFile(this.#options.files.config, text);
  }

  /** Resolves when a HAProxy with this layout answers. Throws `invalid` for a text that HAProxy does not take. */
  async load(text: string, layoutHash: string): Promise<void> {
    const { files } = this.#options;
    await writeFile(files.candidate, text, { mode: 0o640 });
    await this.#check();
    await rename(files.candidate, files.config);
    await this.#startOrReload();
    await this.#untilLayout(layoutHash);
  }

  async #check(): Promise<void> {
    const { files, haproxy } = this.#options;
    // The check reads the state file too, so there has to be one.
    await access(files.state).catch(() => writeFile(files.state, ''));
    const { code, output } = await this.#run([haproxy, '-c', '-q', '-f', files.candidate]);
    if (code !== 0) throw new SignalboxError('invalid', `HAProxy refuses the configuration: ${output}`);
  }

  async #startOrReload(): Promise<void> {
    const { files, reloadCommand, timeoutMs } = this.#options;
    if (reloadCommand !== undefined) {
      const { code, output } = await this.#run(reloadCommand);
      if (code !== 0)
        throw new SignalboxError('unavailable', `${reloadCommand.join(' ')} ended with ${code}: ${output}`);
      return;
    }
    try {
      await askMaster(files.masterSocket, timeoutMs);
    } catch {
      await this.#start();
    }
  }

  /** Detached: it serves on when this process ends. */
  async #start(): Promise<void> {
    const { files, haproxy, logger } = this.#options;
    const child = spawn(haproxy, ['-W', '-S', files.masterSocket, '-f', files.config, '-p', files.pid], {
      stdio: 'ignore',
      detached: true,
      cwd: files.folder,
    });
    child.unref();
    await once(child, 'spawn').catch((cause: unknown) => {
      throw new SignalboxError('unavailable', `${haproxy} cannot be started`, { cause });
    });
    logger.info({ pid: child.pid }, 'HAProxy started');
  }

  async #untilLayout(layoutHash: string): Promise<void> {
    const deadline = performance.now() + this.#options.timeoutMs;
    while (performance.now() < deadline) {
      const running = await this.runningLayout().catch(() => undefined);
      if (running === layoutHash) return;
      await sleep(POLL_MS);
    }
    throw new SignalboxError(
      'unavailable',
      'HAProxy does not run the new configuration: it could not be started or reloaded',
    );
  }

  async #run([program = '', ...args]: readonly string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: this.#options.timeoutMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(0, MAX_OUTPUT);
      });
    }
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output: output.trim() };
    } catch (cause) {
      throw new SignalboxError('unavailable', `${program} cannot be run`, { cause });
    }
  }
}

function isNobodyThere(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause?.code === 'ECONNREFUSED' || cause?.code === 'ENOENT';
}

/** The master starts itself anew at this command, so its answer may be cut off: that it can be reached is enough. */
async function askMaster(path: string, timeoutMs: number): Promise<void> {
  const socket = connect(path);
  await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  socket.on('error', () => {});
  socket.resume().end('reload\n');
  await once(socket, 'close', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => {});
  socket.destroy();
}
