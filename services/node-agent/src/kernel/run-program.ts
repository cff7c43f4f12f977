/** Programs of the system, run to their end. */
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { errorText, SignalboxError } from '@signalbox/contracts';

export interface ProgramCall {
  readonly program: string;
  readonly args: readonly string[];
  /** Written to its standard input. */
  readonly input?: string;
  /** Ends the program. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves with standard output. Throws `unavailable` for a program that is missing, fails, or takes too long, and what the
 * signal is aborted with.
 */
export type RunProgram = (call: ProgramCall) => Promise<string>;

/** A load of a hundred thousand rules through iptables takes minutes; longer than this is stuck. */
const TIMEOUT_MS = 600_000;
const MAX_ERROR_LENGTH = 1500;

/** Told the number of each process that is started. */
export type NoteProcess = (pid: number | undefined) => void;

/** `prefix` is a command that runs its arguments, such as `ip netns exec NAME`: the kernel state of another namespace. */
export function programRunner(prefix: readonly string[] = [], noteProcess: NoteProcess = () => {}): RunProgram {
  return ({ program, args, input, signal }) => {
    const [file = program, ...rest] = [...prefix, program, ...args];
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new SignalboxError('unavailable', `${program}: ${why}`));
      const limits = { timeout: TIMEOUT_MS, killSignal: 'SIGKILL', signal } as const;
      const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], ...limits });
      noteProcess(child.pid);
      const output: Buffer[] = [];
      let complaint = '';
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        complaint = (complaint + text).slice(0, MAX_ERROR_LENGTH);
      });
      child.on('error', (error) => (signal?.aborted ? reject(signal.reason) : fail(error.message)));
      child.on('close', (code, signal) => {
        if (code === 0) resolve(Buffer.concat(output).toString('utf8'));
        else fail(complaint.trim() || `ended with ${code ?? signal}`);
      });
      // A program that ends before it has read everything says why in its exit code.
      child.stdin.on('error', () => {});
      child.stdin.end(input ?? '');
    });
  };
}

/** A `NoteProcess` for what can wait: reading 10,000 services takes a core for seconds, and changes come first. */
export function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already.
  }
}

/** Whether a call failed because the program is not installed; `exec of …` is how `ip netns exec` says it. */
export function isMissingProgram(error: unknown): boolean {
  return /ENOENT|exec of .* failed: No such file/.test(errorText(error));
}
