/** TLS of the API: key and certificate from files, taken anew when the files change or at SIGHUP. */
import { readFile, stat } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { errorText, SignalboxError } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';

/** Polled, because mounted secrets are replaced by links that file events miss. */
const DEFAULT_CHECK_INTERVAL_MS = 10_000;

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly checkIntervalMs?: number;
}

export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws `invalid` that names the files when they are not a certificate and its key. */
export async function readKeyPair({ certFile, keyFile }: TlsFiles): Promise<KeyPair> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new SignalboxError('invalid', `no usable TLS key pair in ${certFile}, ${keyFile}: ${errorText(cause)}`, {
      cause,
    });
  }
}

/** New connections get the new certificate; a pair that cannot be used is logged, and the old one stays. Returns an end. */
export function reloadKeyPair(server: Server, files: TlsFiles, logger: Logger): () => void {
  let seen = '';
  let isEnded = false;
  let work: Promise<void> = Promise.resolve();
  const reload = async (isForced: boolean): Promise<void> => {
    const state = await stateOf(files);
    if (isEnded || (state === seen && !isForced)) return;
    const isFirst = seen === '';
    seen = state;
    if (isFirst && !isForced) return;
    try {
      server.setSecureContext(await readKeyPair(files));
      logger.info({ certificate: files.certFile }, 'the TLS key pair was read again');
    } catch (err) {
      logger.warn({ err }, 'the new TLS key pair cannot be used; the old one stays');
    }
  };
  const check = (isForced: boolean): void => {
    work = work.then(() => reload(isForced));
  };
  const onSignal = (): void => check(true);
  process.on('SIGHUP', onSignal);
  const timer = setInterval(() => check(false), files.checkIntervalMs ?? DEFAULT_CHECK_INTERVAL_MS);
  timer.unref();
  check(false);
  return () => {
    isEnded = true;
    clearInterval(timer);
    process.off('SIGHUP', onSignal);
  };
}

async function stateOf({ certFile, keyFile }: TlsFiles): Promise<string> {
  const states = [certFile, keyFile].map(async (file) => {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  });
  return (await Promise.allSettled(states)).map((each) => (each.status === 'fulfilled' ? each.value : '-')).join(' ');
}
