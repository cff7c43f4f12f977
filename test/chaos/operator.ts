/** What a person, or a runbook, does for processes that end; and which of these ends are as they should be. */
import type { Difference } from './differences.ts';
import type { Plane } from './plane.ts';
import { deleteStore } from './store-faults.ts';
import type { Ending } from './supervised-process.ts';

/** What an API says of a file that it cannot go on with: what to do stands beside it. */
const DAMAGED = /is damaged or not a store/;

/** Process → why it may end. Everything else that ends by itself is a finding. */
const EXPECTED_ENDS: readonly { readonly process: RegExp; readonly says: RegExp }[] = [
  { process: /^api-\d/, says: DAMAGED },
  { process: /^api-\d/, says: /cannot be written|cannot be used/ },
  // What only one may do ends with its process, so that nothing of it is on its way when another one begins.
  { process: /^api-watcher-\d/, says: /the lease for .+ is over|was written by another watcher/ },
  { process: /^lb-worker-\d/, says: /the lease (for .+ )?is over|may or may not have been stored/ },
];

export function operate({ apis, processes }: Plane): void {
  for (const { name, store } of apis) {
    const process = processes.get(name);
    if (process === undefined) continue;
    process.beforeRestart = (ending) => {
      if (ending !== undefined && DAMAGED.test(ending.output)) deleteStore(store);
    };
  }
}

export function unexpectedEnds({ processes }: Plane): Difference[] {
  const ends = [...processes.values()].flatMap(({ endings }) => endings);
  const isExpected = ({ process, output }: Ending) =>
    EXPECTED_ENDS.some((end) => end.process.test(process) && end.says.test(output));
  return ends
    .filter((ending) => !isExpected(ending))
    .map(({ process, code, output }) => ({
      where: `${process} ended by itself`,
      expected: 'it runs',
      found: `exit code ${code}: ${output.slice(-1500)}`,
    }));
}
