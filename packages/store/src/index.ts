export { type Change, ChangeFeed, type ChangeListener } from './change-feed.ts';
export { claimStore } from './claim-store.ts';
export { copyStore } from './copy-store.ts';
export { openStore, type StoreOptions } from './open-store.ts';
export { streamLogId, streamPosition } from './positions.ts';
export {
  type Projector,
  type ProjectorLogger,
  type ProjectorOptions,
  type ProjectorStats,
  startProjector,
} from './projector.ts';
export * from './queries/index.ts';
export { DEFAULT_HISTORY_RETENTION, type HistoryRetention } from './retention.ts';
export { targetsRevision } from './settings.ts';
export { type StateRevision, stateRevision } from './state-revision.ts';
export type { Store } from './store.ts';
