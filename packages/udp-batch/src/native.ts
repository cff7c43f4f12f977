/** The native part, where it was built. See `native/udp-batch.c`. */
import { createRequire } from 'node:module';

export interface Native {
  open(address: string, port: number): number;
  start(
    descriptor: number,
    memory: ArrayBuffer,
    packetBytes: number,
    answerBytes: number,
    onBatch: (count: number) => void,
  ): object;
  stop(receiver: object): void;
  send(descriptor: number, peer: Uint8Array, message: Uint8Array): boolean;
  portOf(descriptor: number): number;
}

/** Or why it cannot be used. */
export function loadNative(): Native | string {
  if (process.platform !== 'linux') return 'it is for Linux only';
  try {
    return createRequire(import.meta.url)('../build/Release/udp_batch.node') as Native;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    return isMissing ? 'it was not built' : String(error);
  }
}
