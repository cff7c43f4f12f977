export * from './event-log.ts';
export * from './jetstream/jetstream-event-log.ts';
export type { NatsLogin, NatsTls } from './jetstream/nats-settings.ts';
export * from './jetstream/permissions.ts';
export { DISCARD_POLICIES, type Discard, type StreamWishes } from './jetstream/streams.ts';
export { copySqliteEventLog } from './sqlite/copy-event-log.ts';
export * from './sqlite/sqlite-event-log.ts';
