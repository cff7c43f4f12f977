/**
 * Follows what others change in the rules, with `nft monitor`. The kernel tells the objects of a transaction and then, as
 * its end, a new generation with the process that made it:
 *
 *     add rule ip signalbox services accept
 *     # new generation 4 by process 10459 (nft)
 *
 * iptables over nftables is seen as well; legacy iptables and IPVS tell nobody, so there only the timer finds changes.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { RulesBackend } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { KernelOwner } from '@signalbox/rules';
import { lowerPriority } from '../kernel/run-program.ts';

/** Bounds what is remembered of processes that ended long ago; their numbers come again. */
const OWN_PROCESSES_MAX = 256;

/**
 * Numbers of the processes that this agent programs rules with. In a container with process numbers of its own the kernel
 * tells other ones, so that own transactions look like those of others: they cost a check now and then, and nothing else.
 */
export class OwnProcesses {
  readonly #numbers = new Set<number>();

  note(pid: number | undefined): void {
    if (pid === undefined) return;
    this.#numbers.delete(pid);
    this.#numbers.add(pid);
    const [oldest] = this.#numbers;
    if (this.#numbers.size > OWN_PROCESSES_MAX && oldest !== undefined) this.#numbers.delete(oldest);
  }

  has(pid: number): boolean {
    return this.#numbers.has(pid);
  }
}

export interface KernelMonitorOptions {
  readonly backend: RulesBackend;
  readonly owner: KernelOwner;
  readonly own: Pick<OwnProcesses, 'has'>;
  readonly logger: Logger;
  /** Somebody else has changed what is watched. */
  readonly onChange: () => void;
  /** Runs the program: `ip netns exec NAME` watches that network namespace. */
  readonly commandPrefix?: readonly string[];
}

export interface KernelMonitor {
  /** Starts the monitor, also again when it has ended; else nothing. */
  ensure(): void;
  /** Idempotent; resolves when the program has ended. */
  close(): Promise<void>;
}

const RESTART_NOTE = 'nft monitor ended; changes of others are found by the timer until it is started again';

/** Watches from the first `ensure` on. */
export function openKernelMonitor(options: KernelMonitorOptions): KernelMonitor {
  let child: ChildProcessByStdio<null, Readable, null> | undefined;
  let ended: Promise<void> = Promise.resolve();
  let isClosed = false;
  const ensure = (): void => {
    if (child !== undefined || isClosed) return;
    const [file = 'nft', ...args]: string[] = [...(options.commandPrefix ?? []), 'nft', 'monitor'];
    const started = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    // It begins by reading all tables, elements included.
    lowerPriority(started.pid);
    child = started;
    const transactions = new TransactionLines(options);
    createInterface(started.stdout).on('line', (line) => transactions.read(line));
    ended = new Promise((resolve) => {
      const finish = (reason: string): void => {
        if (child === started && !isClosed) options.logger.warn({ reason }, RESTART_NOTE);
        if (child === started) child = undefined;
        resolve();
      };
      started.on('error', (error) => finish(error.message));
      started.on('close', (code, signal) => finish(`ended with ${code ?? signal}`));
    });
  };
  return {
    ensure,
    close: async () => {
      isClosed = true;
      child?.kill('SIGKILL');
      await ended;
    },
  };
}

/** Collects the lines of a transaction until its end says who made it. */
class TransactionLines {
  readonly #options: KernelMonitorOptions;
  readonly #pattern: RegExp;
  #isRelevant = false;

  constructor(options: KernelMonitorOptions) {
    this.#options = options;
    // Every change of iptables rules names its chain, and those of hooks the chain that they lead to.
    this.#pattern =
      options.backend === 'nftables'
        ? new RegExp(`^\\w+ \\w+ ip6? ${options.owner}\\b`)
        : /^\w+ \w+ ip6? (nat|filter) .*KUBE-/;
  }

  read(line: string): void {
    const pid = /^# new generation \d+ by process (\d+)/.exec(line)?.[1];
    if (pid === undefined) {
      this.#isRelevant ||= this.#pattern.test(line);
      return;
    }
    const isForeign = this.#isRelevant && !this.#options.own.has(Number(pid));
    this.#isRelevant = false;
    if (isForeign) this.#options.onChange();
  }
}
