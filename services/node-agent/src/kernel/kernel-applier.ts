/** Rules in the kernel, through the programs of each backend. */
import type { RulesBackend } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import { NodeRules, type RenderOptions, type RulesScript, type RulesStep } from '@signalbox/rules';
import type { Applied, Applier, ApplyRequest, ProgrammedRules } from '../applier.ts';
import { Conntrack } from './conntrack.ts';
import { NftSession, SESSION_SCRIPT_MAX_LENGTH } from './nft-session.ts';
import { removeOwnRules } from './remove-rules.ts';
import { type NoteProcess, programRunner, type RunProgram } from './run-program.ts';

export interface KernelApplierOptions {
  readonly rules: RenderOptions;
  readonly logger: Logger;
  /** Runs every program: `ip netns exec NAME` programs the network namespace NAME instead of this process's own. */
  readonly commandPrefix: readonly string[];
  /** Told of each process that programs something. */
  readonly noteProcess: NoteProcess;
}

export class KernelApplier implements Applier {
  readonly backend: RulesBackend;
  readonly #rules: NodeRules;
  readonly #run: RunProgram;
  readonly #session: NftSession;
  readonly #conntrack: Conntrack;
  #isEmpty = true;
  #isProgrammed = false;
  #version = 0;

  constructor({ rules, logger, commandPrefix, noteProcess }: KernelApplierOptions) {
    this.backend = rules.backend;
    this.#rules = new NodeRules(rules);
    this.#run = programRunner(commandPrefix, noteProcess);
    this.#session = new NftSession(commandPrefix, noteProcess);
    this.#conntrack = new Conntrack(this.#run, logger);
  }

  get programmed(): ProgrammedRules | undefined {
    if (!this.#isProgrammed) return undefined;
    return { version: this.#version, plans: this.#rules.plans, options: this.#rules.options };
  }

  async apply(request: ApplyRequest): Promise<Applied> {
    this.#isProgrammed = false;
    this.#version += 1;
    const scripts = this.#scriptsOf(request);
    // A full script says all that the others would, and looks at all flows: those of a request that failed as well.
    const toRun = request.isFull ? scripts.slice(-1) : scripts;
    for (const { steps, isWhole } of toRun) {
      for (const step of steps) await this.#runStep(step, isWhole);
    }
    this.#isProgrammed = true;
    if (this.backend === 'nftables') this.#session.open();
    this.#conntrack.deleteStaleFlows(
      toRun.flatMap(({ flowChecks }) => flowChecks),
      this.#rules.options,
    );
    return { skippedServices: servicesOf(scripts.at(-1)) };
  }

  #scriptsOf({ changes, node, isFull }: ApplyRequest): RulesScript[] {
    const ofNode = node === undefined ? [] : [this.#rules.setNode(node)];
    // At the start there is nothing to change: no deltas are worked out that nobody needs.
    if (this.#isEmpty) {
      this.#isEmpty = false;
      return [...ofNode, this.#rules.reset(changes.flatMap(({ plan }) => plan ?? []))];
    }
    // Without any change there is time for what the rules have put off.
    const isQuiet = changes.length === 0 && node === undefined && !isFull;
    const ofChanges = changes.length > 0 || isQuiet ? [this.#rules.update(changes)] : [];
    return [...ofNode, ...ofChanges, ...(isFull ? [this.#rules.full()] : [])];
  }

  async cleanup(): Promise<void> {
    await removeOwnRules(this.#run, this.backend);
  }

  async close(): Promise<void> {
    this.#session.close();
    await this.#conntrack.settle();
  }

  /**
   * Full loads go through a process of their own: what nft needs for them would stay with the session for ever, and their
   * commands span lines.
   */
  async #runStep({ program, args, input }: RulesStep, isWhole: boolean): Promise<void> {
    const fitsSession = program === 'nft' && !isWhole && input.length <= SESSION_SCRIPT_MAX_LENGTH;
    if (fitsSession) await this.#session.run(input);
    else await this.#run({ program, args, input });
  }
}

function servicesOf(script: RulesScript | undefined): string[] {
  return [...new Set(script?.skipped.map(({ service }) => service))];
}
