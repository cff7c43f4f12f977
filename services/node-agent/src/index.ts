export * from './userspace/index.ts';
