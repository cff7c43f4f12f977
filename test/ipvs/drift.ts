/** What the programs of the machine list, read as a node agent reads it and compared with the recorded cluster's plans. */
import {
  compareStates,
  expectedStates,
  podSourcesOf,
  type RenderOptions,
  readIpvs,
  type StateComparison,
} from '@signalbox/rules';
import { RECORDED_CLUSTER_CIDRS, recordedNode, recordedPlans } from '../packets/recorded-cluster.ts';
import type { GuestListing } from './guest/messages.ts';

/** From the name of a check to what is wrong with it. */
export function driftProblems(root: string, listings: readonly GuestListing[]): Map<string, string | undefined> {
  const lists = new URL(`file://${root}test/fixtures/kubernetes-1.36/lists/`);
  const problems = new Map<string, string | undefined>();
  for (const listing of listings) {
    const { family, state } = listing;
    const { differences, totals } = compare(listing, lists);
    const found = differences.map(({ what, at, service }) => `${what} ${at} ${service}`).sort();
    const expected = state === 'loaded' ? [] : DAMAGE;
    const isSame =
      found.join() === expected.join() && totals.added + totals.missing + totals.changed === expected.length;
    problems.set(
      `drift of ${family} rules, ${state}`,
      isSame ? undefined : JSON.stringify({ totals, differences }).slice(0, 3000),
    );
  }
  return problems;
}

/** Of what the machine does to its rules, see `guest/listings.ts`. */
const DAMAGE = ['changed tcp 10.96.1.1:80 shop/web:http', 'missing tcp 10.96.1.2:80 shop/np'];

function compare({ family, ...listing }: GuestListing, lists: URL): StateComparison {
  const options: RenderOptions = {
    node: recordedNode('node-a', lists),
    backend: 'ipvs',
    families: [family],
    clusterCIDRs: RECORDED_CLUSTER_CIDRS,
  };
  const [expected] = expectedStates(recordedPlans(lists), options);
  if (expected === undefined) throw new Error(`no state of ${family}`);
  const actual = readIpvs(listing, { family, podSources: podSourcesOf(options, family) });
  return compareStates(expected, actual);
}
