export { type Plane, type PlaneOptions, startPlane } from './plane.ts';
export { runCli } from './program.ts';
