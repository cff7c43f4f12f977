/**
 * One long-lived `nft -i`, for small changes: starting nft costs ten times what such a change does.
 *
 * Every line written to it is one transaction, so the commands of a change are joined into one line. After it comes
 * `describe ip daddr`, which touches nothing and always prints the same: when that has come back, the change is done, and
 * all that was printed before it is a complaint. Errors share the pipe with output, so that their order is kept.
 *
 *     idle ──(run)──► busy ──(answer)──► idle
 *                      └──(no answer in time, or the process ends)──► closed: the next run starts another process
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import type { NoteProcess } from './run-program.ts';

type NftProcess = ChildProcessByStdio<Writable, Readable, null>;

const DONE_COMMAND = 'describe ip daddr';
const DONE_TEXT = /payload expression, datatype ipv4_addr \(IPv4 address\)\s+\(basetype integer\), 32 bits\n$/;
const TIMEOUT_MS = 60_000;
const MAX_ERROR_LENGTH = 1500;

/** Longer scripts go to `nft -f`, which reads them without a copy and gives its memory back. */
export const SESSION_SCRIPT_MAX_LENGTH = 65_536;

export class NftSession {
  readonly #prefix: readonly string[];
  readonly #noteProcess: NoteProcess;
  #process: NftProcess | undefined;

  constructor(prefix: readonly string[] = [], noteProcess: NoteProcess = () => {}) {
    this.#prefix = prefix;
    this.#noteProcess = noteProcess;
  }

  /** Starts nft before there is anything for it: the first change would wait for that. */
  open(): void {
    this.#process ??= this.#start();
  }

  /** All of the script or nothing. One at a time. Throws `unavailable` when nft complains, ends or hangs. */
  async run(script: string): Promise<void> {
    const output = await this.#ask(toOneLine(script));
    const complaint = output.replace(DONE_TEXT, '').trim();
    if (complaint !== '') throw failed(complaint);
  }

  close(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
  }

  #ask(line: string): Promise<string> {
    this.#process ??= this.#start();
    const nft = this.#process;
    return new Promise((resolve, reject) => {
      let output = '';
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        nft.stdout.off('data', onData);
        nft.off('close', onClose);
        finish();
      };
      const onData = (text: string): void => {
        output += text;
        if (DONE_TEXT.test(output)) settle(() => resolve(output));
      };
      const giveUp = (why: string): void => {
        this.close();
        settle(() => reject(failed(`${output}${why}`)));
      };
      const onClose = (): void => giveUp('nft ended');
      const timer = setTimeout(() => giveUp(`no answer in ${TIMEOUT_MS} ms`), TIMEOUT_MS);
      nft.stdout.on('data', onData);
      nft.on('close', onClose);
      nft.stdin.write(`${line}\n${DONE_COMMAND}\n`);
    });
  }

  #start(): NftProcess {
    const [file, ...args] = [...this.#prefix, 'sh', '-c', 'exec nft -i 2>&1'];
    const nft = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#noteProcess(nft.pid);
    nft.stdout.setEncoding('utf8');
    // Both are told by the end of the process as well.
    nft.on('error', () => {});
    nft.stdin.on('error', () => {});
    nft.on('close', () => {
      if (this.#process === nft) this.#process = undefined;
    });
    return nft;
  }
}

function toOneLine(script: string): string {
  const commands = script.split('\n').map((line) => line.trim());
  return commands.filter((line) => line !== '' && !line.startsWith('#')).join(' ; ');
}

function failed(why: string): SignalboxError {
  return new SignalboxError('unavailable', `nft: ${why.trim().slice(0, MAX_ERROR_LENGTH)}`);
}
