/** The one place where this package reaches for Node: a pure function of its input, like all the rest. */
import { createHash } from 'node:crypto';

export function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
