export { type Api, createApi } from './create-api.ts';
export type { ApiDependencies } from './dependencies.ts';
export { type ApiOptions, type RunningApi, startApi } from './start-api.ts';
