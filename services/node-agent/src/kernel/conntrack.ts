/**
 * Deletes the connection tracking entries of endpoints that are gone: a UDP flow has no end, so without this a client that
 * keeps sending would be led to a dead endpoint for as long as it sends.
 */
import { errorText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { RemovedEndpoint } from '@signalbox/rules';
import { isMissingProgram, type ProgramCall, type RunProgram } from './run-program.ts';

const NOTHING_DELETED = /0 flow entries have been deleted/;

export class Conntrack {
  readonly #run: RunProgram;
  readonly #logger: Logger;
  #isMissingTold = false;

  constructor(run: RunProgram, logger: Logger) {
    this.#run = run;
    this.#logger = logger;
  }

  /** Never throws: the rules are in place, and what is left expires by itself when its client pauses. */
  async deleteFlows(removed: readonly RemovedEndpoint[]): Promise<void> {
    for (const call of deletions(removed)) {
      try {
        await this.#run(call);
      } catch (error) {
        if (NOTHING_DELETED.test(errorText(error))) continue;
        this.#tell(error, call);
        if (isMissingProgram(error)) return;
      }
    }
  }

  #tell(error: unknown, { args }: ProgramCall): void {
    if (!isMissingProgram(error)) {
      this.#logger.warn({ err: error, args }, 'connection tracking entries of a removed endpoint could not be deleted');
      return;
    }
    if (this.#isMissingTold) return;
    this.#isMissingTold = true;
    this.#logger.warn(
      'the program conntrack is not installed (Debian: apt-get install conntrack): UDP clients that never pause keep sending to endpoints that are gone',
    );
  }
}

/** TCP connections of a removed endpoint end by themselves; SCTP associations as well. */
export function deletions(removed: readonly RemovedEndpoint[]): ProgramCall[] {
  const calls = removed
    .filter(({ protocol }) => protocol === 'udp')
    .flatMap(({ family, serviceAddresses, servicePort, nodePort, address, port }) => {
      const common = ['-D', '-f', family === 'IPv6' ? 'ipv6' : 'ipv4', '-p', 'udp'];
      // Replies come from the endpoint, however the flow was translated to it.
      const endpoint = ['--reply-src', address, '--reply-port-src', String(port)];
      const places = serviceAddresses.map((service) => ['--orig-dst', service, '--orig-port-dst', String(servicePort)]);
      if (nodePort !== undefined) places.push(['--orig-port-dst', String(nodePort)]);
      return places.map((place) => [...common, ...place, ...endpoint]);
    });
  const unique = new Map(calls.map((args) => [args.join(' '), args]));
  return [...unique.values()].map((args) => ({ program: 'conntrack', args }));
}
