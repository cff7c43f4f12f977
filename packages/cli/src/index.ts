export type { Plane, PlaneOptions } from './plane.ts';
export { startPlane } from './plane.ts';
export { runCli } from './program.ts';
export { formatTable } from './table.ts';
