/** Record types by number, with the question types that no record has. */
import { TYPE_NUMBERS } from './message-writer.ts';

export const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(TYPE_NUMBERS).map(([name, number]): [number, string] => [number, name]),
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
]);
