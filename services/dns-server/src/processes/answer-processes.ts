/**
 * The processes that answer over UDP beside the main one. Each is fed the derived stream from its beginning, at its own
 * pace; one that dies, or takes too long over a batch, is replaced.
 *
 *     starting ──(fed all that the stream held)──► answering at a revision ──(died, or killed)──► starting, after a pause
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LogBatch } from '@signalbox/event-log';
import type { ServiceContext } from '@signalbox/kit';
import type { ZoneIndex } from '@signalbox/zones';
import { followDerived } from '../follow-derived.ts';
import { Staleness } from '../staleness.ts';
import type { Peer, UdpReceiver } from '../udp-receiver.ts';
import type { AnswerProcessSettings, FromAnswerProcess, NameChange, ToAnswerProcess } from './messages.ts';

interface AnswerProcessesOptions {
  /** Beside the main process. */
  readonly count: number;
  readonly settings: AnswerProcessSettings;
  /** Of each listener. */
  readonly receivers: readonly UdpReceiver[];
  /** Whose namespaces and Pods a new process is told. */
  readonly index: ZoneIndex;
  /** Resolves when these are known. */
  readonly isReady: Promise<void>;
  readonly onQuestion: (listener: number, packet: Uint8Array, peer: Peer) => void;
  readonly onCounts: (counts: Float64Array) => void;
  /** A process may answer from another revision, or answers no more. */
  readonly onRevision: () => void;
}

const ENTRY = fileURLToPath(new URL('answer-process.js', import.meta.url));
/** What a process has before the descriptors that it inherits. */
const STDIO = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
const MIN_RESTART_MS = 250;
const MAX_RESTART_MS = 5000;
/** One that worked for so long is started again at once when it dies. */
const STEADY_MS = 60_000;
/** For one batch, at most a thousand messages. */
const MAX_APPLY_MS = 30_000;
const MAX_STOP_MS = 3000;

export class AnswerProcesses {
  readonly #processes: readonly AnswerProcess[];

  constructor(context: ServiceContext, options: AnswerProcessesOptions) {
    this.#processes = Array.from({ length: options.count }, () => new AnswerProcess(context, options));
  }

  /** The oldest that one of them answers from; Infinity: none does; undefined: one may answer and has not said from which. */
  get revision(): number | undefined {
    if (this.#processes.some(({ isJoining }) => isJoining)) return undefined;
    return Math.min(...this.#processes.map(({ revision }) => revision ?? Infinity));
  }

  tell(change: NameChange): void {
    for (const one of this.#processes) one.tell(change);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.stop()));
  }
}

class AnswerProcess {
  readonly #context: ServiceContext;
  readonly #options: AnswerProcessesOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #child: ChildProcess | undefined;
  #revision: number | undefined;
  #isJoining = false;
  #applied = (): void => {};

  constructor(context: ServiceContext, options: AnswerProcessesOptions) {
    this.#context = context;
    this.#options = options;
    this.#running = this.#run();
  }

  /** Undefined while it leaves all questions to the main process, or is not there. */
  get revision(): number | undefined {
    return this.#revision;
  }

  /** It has been sent all that it needs to answer, and has not yet said what it made of it. */
  get isJoining(): boolean {
    return this.#isJoining;
  }

  tell(change: NameChange): void {
    this.#send(change);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#send({ type: 'stop' });
    const kill = setTimeout(() => this.#child?.kill('SIGKILL'), MAX_STOP_MS);
    await this.#running;
    clearTimeout(kill);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let restartInMs = MIN_RESTART_MS; !signal.aborted; ) {
      const startedAtMs = performance.now();
      const end = await this.#runOnce();
      if (signal.aborted) return;
      this.#context.logger.error({ ...end, restartInMs }, 'a process that answers DNS has ended, starting another');
      await sleep(restartInMs, undefined, { signal }).catch(() => {});
      const wasSteady = performance.now() - startedAtMs > STEADY_MS;
      restartInMs = wasSteady ? MIN_RESTART_MS : Math.min(restartInMs * 2, MAX_RESTART_MS);
    }
  }

  /** Until it has ended, for whatever reason. */
  async #runOnce(): Promise<object> {
    const inherited = descriptorsOf(this.#options.receivers);
    // Flags of this process are its own; those for all come by NODE_OPTIONS.
    const child = fork(ENTRY, [], { execArgv: [], serialization: 'advanced', stdio: [...STDIO, ...inherited] });
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, gone.signal]);
    signal.addEventListener('abort', () => this.#applied(), { once: true });
    let following: Promise<void> | undefined;
    this.#child = child;
    child.on('message', (message) => {
      // What it said last may be read after its end.
      if (this.#child === child) this.#onMessage(message as FromAnswerProcess);
    });
    child.once('message', () => {
      following = this.#serve(child, signal);
    });
    const end = await endOf(child);
    this.#child = undefined;
    gone.abort();
    await following;
    this.#setRevision(undefined);
    return end;
  }

  async #serve(child: ChildProcess, signal: AbortSignal): Promise<void> {
    await this.#options.isReady;
    if (signal.aborted) return;
    this.#introduce(child);
    await followDerived(this.#context, { feed: this.#feed(signal), staleness: new Staleness(), signal });
  }

  #introduce(child: ChildProcess): void {
    const { settings, index, receivers } = this.#options;
    const inherited = descriptorsOf(receivers);
    this.#send({ type: 'start', settings });
    for (const namespace of index.namespaces()) this.#send({ type: 'namespace', ...namespace, exists: true });
    for (const pod of index.pods()) this.#send({ type: 'pod', ...pod });
    for (const [listener, { shared }] of receivers.entries()) {
      if ('socket' in shared) {
        child.send({ type: 'socket', listener }, shared.socket, ignoreError);
      } else {
        this.#send({ type: 'socket', listener, descriptor: STDIO.length + inherited.indexOf(shared.descriptor) });
      }
    }
  }

  /** What follows the stream for it. */
  #feed(signal: AbortSignal) {
    return {
      watermark: undefined,
      beginReplay: () => this.#send({ type: 'replay' }),
      apply: (batch: LogBatch) => this.#apply(batch, signal),
    };
  }

  async #apply(batch: LogBatch, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#isJoining = this.#revision === undefined && batch.isCaughtUp;
    const tooLong = setTimeout(() => this.#child?.kill('SIGKILL'), MAX_APPLY_MS);
    await new Promise<void>((resolve) => {
      this.#applied = resolve;
      this.#send({ type: 'batch', batch });
    });
    clearTimeout(tooLong);
  }

  #onMessage(message: FromAnswerProcess): void {
    switch (message.type) {
      case 'ready':
        break;
      case 'applied':
        this.#setRevision(message.revision);
        this.#applied();
        break;
      case 'counts':
        this.#options.onCounts(message.counts);
        break;
      case 'question':
        this.#options.onQuestion(message.listener, message.packet, message.peer);
        break;
    }
  }

  #setRevision(revision: number | undefined): void {
    this.#isJoining = false;
    this.#revision = revision;
    this.#options.onRevision();
  }

  #send(message: ToAnswerProcess): void {
    if (this.#child?.connected) this.#child.send(message, ignoreError);
  }
}

function descriptorsOf(receivers: readonly UdpReceiver[]): number[] {
  return receivers.flatMap(({ shared }) => ('descriptor' in shared ? [shared.descriptor] : []));
}

async function endOf(child: ChildProcess): Promise<object> {
  try {
    const [code, killedBy] = (await once(child, 'exit')) as unknown[];
    return { code, killedBy };
  } catch (err) {
    // It could not be started, or its channel broke.
    child.kill('SIGKILL');
    return { err };
  }
}

/** Of a channel that is gone: so is the process, which is seen elsewhere. */
function ignoreError(): void {}
