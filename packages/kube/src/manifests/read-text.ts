/** Bytes of a manifest file or of standard input → text, within a limit. */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import { stampOf } from './list-manifest-files.ts';

/** Below the longest string that Node can hold. */
const MAX_BYTES = 256 * 1024 * 1024;

export interface FileText {
  readonly text: string;
  /** As it was before reading and as it is after: they differ when the file was written to meanwhile. */
  readonly stampBefore: string;
  readonly stampAfter: string;
}

export async function readFileText(file: string): Promise<FileText> {
  const handle = await open(file, 'r');
  try {
    const before = await handle.stat({ bigint: true });
    if (before.size > BigInt(MAX_BYTES)) throw tooLarge();
    const bytes = await handle.readFile();
    const after = await handle.stat({ bigint: true });
    return { text: decode(bytes), stampBefore: stampOf(before), stampAfter: stampOf(after) };
  } finally {
    await handle.close();
  }
}

export async function readStreamText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Uint8Array | string);
    size += bytes.length;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(bytes);
  }
  return decode(Buffer.concat(chunks));
}

/** UTF-8, or UTF-16 with a byte-order mark, which is what PowerShell's `>` writes. */
function decode(bytes: Uint8Array): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  try {
    return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SignalboxError('invalid', 'is not UTF-8 text', { cause });
  }
}

function tooLarge(): SignalboxError {
  return new SignalboxError('limit', `is larger than ${MAX_BYTES / 1024 / 1024} MiB; split it into several files`);
}
