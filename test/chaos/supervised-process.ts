/**
 * A process of the plane under a supervisor, as systemd or Kubernetes would run it: one that ends is started again.
 *
 *     running ──ends, by itself or killed──► waiting ──after a moment──► running        paused: running, but stopped (SIGSTOP)
 */
import { ROOT, type RunningProcess, startProcess } from '../harness/signalbox.ts';

const RESTART_AFTER_MS = 300;

export interface ProcessSpec {
  readonly name: string;
  /** Folder in `services`. */
  readonly service: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface Ending {
  readonly process: string;
  readonly code: number | null;
  /** All that it said in that life. */
  readonly output: string;
}

export class SupervisedProcess {
  readonly spec: ProcessSpec;
  /** Ended without being killed or asked to. */
  readonly endings: Ending[] = [];
  readonly #output: string[] = [];
  #running: RunningProcess | undefined;
  #starts = 0;
  #isSupervised = true;
  #isPaused = false;
  #restart: NodeJS.Timeout | undefined;
  /** Called before each start but the first: what an operator does for a process that does not come up. */
  beforeRestart: (ending: Ending | undefined) => void = () => {};

  constructor(spec: ProcessSpec) {
    this.spec = spec;
    this.#start();
  }

  /** Counts its lives: what it says in one life is never below what it said before in the same life. */
  get incarnation(): number {
    return this.#starts;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get output(): string {
    return [...this.#output, textOf(this.#running)].join('\n--- started again ---\n');
  }

  /** SIGKILL. The next life begins after `thenMs`. */
  async kill(thenMs = RESTART_AFTER_MS): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    this.#isPaused = false;
    running.child.kill('SIGKILL');
    await running.finished;
    this.#output.push(textOf(running));
    this.#startAfter(thenMs, undefined);
  }

  pause(): void {
    this.#isPaused = this.#running?.child.kill('SIGSTOP') ?? false;
  }

  resume(): void {
    this.#running?.child.kill('SIGCONT');
    this.#isPaused = false;
  }

  /** The end of the test: no more lives. Returns the exit code, null for one that had to be killed. */
  async stop(): Promise<number | null | undefined> {
    this.#isSupervised = false;
    clearTimeout(this.#restart);
    this.resume();
    const running = this.#running;
    if (running === undefined) return undefined;
    const giveUp = setTimeout(() => running.child.kill('SIGKILL'), 10_000);
    const { code } = await running.stop();
    clearTimeout(giveUp);
    return code;
  }

  #start(): void {
    const { service, args, env } = this.spec;
    const entry = [`${ROOT}services/${service}/dist/main.js`, '--health-listen', '127.0.0.1:0', ...args];
    const running = startProcess(entry, env);
    this.#running = running;
    this.#starts += 1;
    void running.finished.then(({ code }) => {
      if (this.#running !== running || !this.#isSupervised) return;
      this.#running = undefined;
      this.#output.push(textOf(running));
      const ending = { process: this.spec.name, code, output: textOf(running) };
      this.endings.push(ending);
      this.#startAfter(RESTART_AFTER_MS, ending);
    });
  }

  #startAfter(delayMs: number, ending: Ending | undefined): void {
    if (!this.#isSupervised) return;
    this.#restart = setTimeout(() => {
      this.beforeRestart(ending);
      this.#start();
    }, delayMs);
  }
}

function textOf(running: RunningProcess | undefined): string {
  return running === undefined ? '' : running.stdout + running.stderr;
}
