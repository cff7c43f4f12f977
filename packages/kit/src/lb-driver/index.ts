export { LeaseKeeper } from './controller-lease.ts';
export { type DriverStatus, DriverStatuses, type GroupStatus } from './driver-statuses.ts';
export { ProgrammedChanges } from './programmed-changes.ts';
export { groupKey, type IndexedSet, TargetFeed } from './target-feed.ts';
