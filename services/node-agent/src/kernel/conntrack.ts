/**
 * Deletes the connection tracking entries that lead to endpoints that are gone: a UDP flow has no end, so without this a
 * client that keeps sending would be led to a dead endpoint for as long as it sends.
 */
import { errorText, type ProxyPlan, serviceKeyText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import { type RenderOptions, type StaleFlow, staleFlows } from '@signalbox/rules';
import { isMissingProgram, type RunProgram } from './run-program.ts';

type Family = RenderOptions['families'][number];

const FAMILY_WORDS: Readonly<Record<Family, string>> = { IPv4: 'ipv4', IPv6: 'ipv6' };
const NOTHING_DELETED = /0 flow entries have been deleted/;

export class Conntrack {
  readonly #run: RunProgram;
  readonly #logger: Logger;
  #isMissingTold = false;
  /** By service; what comes while flows are looked at is looked at next. */
  #pending = new Map<string, ProxyPlan>();
  #work: Promise<void> | undefined;

  constructor(run: RunProgram, logger: Logger) {
    this.#run = run;
    this.#logger = logger;
  }

  /**
   * Of these services, whose rules are in, all flows that lead to no serving endpoint: also those that were left by an
   * earlier process. Further rules do not wait for it. What cannot be deleted expires by itself when its client pauses.
   */
  deleteStaleFlows(plans: readonly ProxyPlan[], options: RenderOptions): void {
    for (const plan of plans) this.#pending.set(serviceKeyText(plan), plan);
    if (this.#pending.size === 0) return;
    this.#work ??= this.#deletePending(options).finally(() => {
      this.#work = undefined;
    });
  }

  /** Resolves when nothing is left to be looked at. Never rejects. */
  async settle(): Promise<void> {
    await this.#work;
  }

  async #deletePending({ families, node }: RenderOptions): Promise<void> {
    while (this.#pending.size > 0) {
      const plans = [...this.#pending.values()];
      this.#pending = new Map();
      try {
        for (const family of families) {
          const args = ['-L', '-p', 'udp', '-f', FAMILY_WORDS[family]];
          const listing = await this.#run({ program: 'conntrack', args });
          await this.#delete(staleFlows(listing, plans, { family, nodeAddresses: node.addresses }));
        }
      } catch (error) {
        this.#tell(error);
      }
    }
  }

  async #delete(flows: readonly StaleFlow[]): Promise<void> {
    if (flows.length === 0) return;
    try {
      // One process for all of them, and no complaint about a flow that has ended meanwhile.
      const input = flows.map((flow) => `${deletionOf(flow).join(' ')}\n`).join('');
      await this.#run({ program: 'conntrack', args: ['-R', '-'], input });
    } catch {
      // conntrack-tools before 1.4.7 read no files.
      for (const flow of flows) await this.#deleteOne(flow);
    }
  }

  async #deleteOne(flow: StaleFlow): Promise<void> {
    try {
      await this.#run({ program: 'conntrack', args: deletionOf(flow) });
    } catch (error) {
      if (!NOTHING_DELETED.test(errorText(error))) throw error;
    }
  }

  #tell(error: unknown): void {
    if (!isMissingProgram(error)) {
      this.#logger.warn({ err: error }, 'connection tracking entries of removed endpoints could not be deleted');
      return;
    }
    if (this.#isMissingTold) return;
    this.#isMissingTold = true;
    this.#logger.warn(
      'the program conntrack is not installed (Debian: apt-get install conntrack): UDP clients that never pause keep sending to endpoints that are gone',
    );
  }
}

/** Replies come from the endpoint, however the flow was translated to it. */
export function deletionOf({ family, address, port, endpointAddress, endpointPort }: StaleFlow): string[] {
  const to = ['--orig-dst', address, '--orig-port-dst', String(port)];
  const from = ['--reply-src', endpointAddress, '--reply-port-src', String(endpointPort)];
  return ['-D', '-f', FAMILY_WORDS[family], '-p', 'udp', ...to, ...from];
}
