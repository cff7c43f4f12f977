/** What a server, or the client itself, says to an append. */
import { errors, type Msg } from '@nats-io/transport-node';
import { SignalboxError } from '@signalbox/contracts';
import type { AppendEntry } from '../event-log.ts';
import { codeOfJsError, JS_ERROR, wrapNatsError } from './errors.ts';

interface PublishAck {
  readonly seq?: number;
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

/** Undefined when no stream took it yet: the server is starting, or elects a leader. */
export function readAck(message: Msg): PublishAck | undefined {
  if (message.headers?.code === 503) return undefined;
  const ack = message.json<PublishAck>();
  return ack.error?.err_code === JS_ERROR.notAvailable ? undefined : ack;
}

export function ackError({ error }: PublishAck, subject: string): SignalboxError {
  const code = codeOfJsError(error?.err_code ?? 0, error?.code ?? 0);
  const reason = error?.description ?? 'the server answered without a sequence';
  return new SignalboxError(code, `${subject} was not stored: ${reason}`);
}

/** The client itself refuses what is larger than the server's max_payload. */
export function publishError(error: unknown, { subject, data }: AppendEntry): SignalboxError {
  if (!(error instanceof errors.InvalidArgumentError)) return wrapNatsError(error, `cannot append ${subject}`);
  const bytes = Buffer.byteLength(data ?? '');
  return new SignalboxError('limit', `${subject} has ${bytes} bytes, more than the server takes`, { cause: error });
}

export function unanswered(reason: string): SignalboxError {
  return new SignalboxError('unavailable', `append may or may not have been stored: ${reason}`);
}
