export { DriverDuty } from './driver-duty.ts';
export type { DriverStatus, GroupStatus } from './driver-statuses.ts';
export { ProgrammedChanges } from './programmed-changes.ts';
export { groupKey, type IndexedSet, TargetFeed } from './target-feed.ts';
