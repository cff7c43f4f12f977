export * from './event-log.ts';
export * from './jetstream/jetstream-event-log.ts';
export * from './open-event-log.ts';
export { copySqliteEventLog } from './sqlite/copy-event-log.ts';
export * from './sqlite/sqlite-event-log.ts';
