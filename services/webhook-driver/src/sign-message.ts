/**
 * Signatures of messages, as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`, in base64, after `v1,`.
 * A receiver compares in constant time, refuses timestamps that are minutes off, and ids that it has had.
 */
import { createHmac } from 'node:crypto';
import { SignalboxError } from '@signalbox/contracts';

export interface SignedHeaders {
  readonly 'webhook-id': string;
  /** Seconds of the epoch. */
  readonly 'webhook-timestamp': string;
  /** One signature per secret, with spaces between: while secrets are exchanged a receiver accepts either. */
  readonly 'webhook-signature': string;
}

interface Message {
  readonly id: string;
  readonly nowMs: number;
  readonly body: string;
}

const PREFIX = 'whsec_';
const MIN_SECRET_BYTES = 24;

export function signMessage({ id, nowMs, body }: Message, secrets: readonly Buffer[]): SignedHeaders {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => {
    const digest = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
    return `v1,${digest}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** One secret per line, as base64 after `whsec_`. Throws `invalid`, without saying what stands there. */
export function parseSecrets(text: string): Buffer[] {
  const lines = text.split('\n').map((line) => line.trim());
  const secrets = lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseSecret);
  if (secrets.length === 0) throw new SignalboxError('invalid', 'the secret file holds no secret');
  return secrets;
}

function parseSecret(line: string, index: number): Buffer {
  const text = line.startsWith(PREFIX) ? line.slice(PREFIX.length) : '';
  const secret = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  if (secret.length >= MIN_SECRET_BYTES) return secret;
  throw new SignalboxError(
    'invalid',
    `secret ${index + 1} of the secret file is not ${PREFIX} and at least ${MIN_SECRET_BYTES} bytes in base64`,
  );
}
