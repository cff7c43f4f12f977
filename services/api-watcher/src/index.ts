export * from './api-watcher.ts';
