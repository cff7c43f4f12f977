/**
 * How long targets that are gone are still listed: so that it can be asked why, and because their penalties must outlive
 * them. They leave the list together, or with the next change, so that forgetting costs no updates of its own.
 */
import type { GroupTarget } from '@signalbox/contracts';
import { flapsForgottenAtMs } from './flaps.ts';
import type { GroupContext } from './members.ts';

const LISTED_MS = 300_000;
/** The newest, of each group: all of one rollout, and those of a few in a small group. */
const MIN_MOST_LISTED = 50;

export function withoutForgotten(
  targets: readonly GroupTarget[],
  before: readonly GroupTarget[],
  { facts: { nowMs }, policy, tally }: GroupContext,
): GroupTarget[] {
  const forgottenAtMs = ({ sinceMs, flaps }: GroupTarget): number =>
    Math.max(sinceMs + LISTED_MS, flaps === undefined ? 0 : flapsForgottenAtMs(flaps, policy.flapping));
  const gone = targets.filter(({ state }) => state === 'gone');
  if (gone.length === 0) return [...targets];
  const lastMs = Math.max(...gone.map(forgottenAtMs));
  const isChanged = targets.length !== before.length || targets.some((target, i) => target !== before[i]);
  if (!isChanged && lastMs > nowMs) {
    tally.wakeAt(lastMs);
    return [...targets];
  }
  const remembered = gone.filter((target) => forgottenAtMs(target) > nowMs);
  const most = Math.max(MIN_MOST_LISTED, targets.length - gone.length);
  const listed = new Set(remembered.length > most ? newestOf(remembered, most) : remembered);
  if (listed.size > 0) tally.wakeAt(lastMs);
  return targets.filter((target) => target.state !== 'gone' || listed.has(target));
}

function newestOf(targets: readonly GroupTarget[], most: number): GroupTarget[] {
  return [...targets].sort((left, right) => right.sinceMs - left.sinceMs).slice(0, most);
}
