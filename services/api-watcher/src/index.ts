export * from './api-watcher.ts';
export * from './open-sources.ts';
export * from './source-options.ts';
export { startWatcherInTurn, type TurnOptions } from './take-turns.ts';
