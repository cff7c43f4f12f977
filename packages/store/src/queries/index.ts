export * from './acks.ts';
export * from './clusters.ts';
export * from './documents.ts';
export * from './drift.ts';
export * from './objects.ts';
export type { Place } from './place.ts';
export * from './revisions.ts';
export * from './target-groups.ts';
