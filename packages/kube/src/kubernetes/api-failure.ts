/** Why a request to an API server, or what came of it, is no use. */
import { isRecord, textOf } from './read-object.ts';
import type { KindResource } from './resources.ts';

/**
 * | reason       | from                                                    | what follows                              |
 * | ------------ | ------------------------------------------------------- | ----------------------------------------- |
 * | connection   | refused, reset, cut, TLS, nothing heard for too long    | again from the same position              |
 * | server       | 5xx, 408                                                | again from the same position              |
 * | throttled    | 429                                                     | again after Retry-After                   |
 * | expired      | 410; a position that the server has not reached         | complete list again                       |
 * | conflict     | 409: another manager has the field                      | told; again when it changes               |
 * | rejected     | any other status                                        | list instead of watch-list, or list again |
 * | unreadable   | a line or page that is too long or no JSON              | complete list again                       |
 * | sink         | what the source writes into refused the objects         | complete list again                       |
 * | unauthorized | 401, or credentials that could not be had               | slow retry                                |
 * | forbidden    | 403                                                     | slow retry                                |
 * | missing      | 404                                                     | slow retry                                |
 */
export type FailureReason =
  | 'connection'
  | 'server'
  | 'throttled'
  | 'expired'
  | 'conflict'
  | 'rejected'
  | 'unreadable'
  | 'sink'
  | 'unauthorized'
  | 'forbidden'
  | 'missing';

export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';
  readonly reason: FailureReason;
  /** What the server asked for; 0 when it did not. */
  readonly retryAfterMs: number;

  constructor(reason: FailureReason, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** A failure from a `Status` object, the API's error form: the body of an answer or the object of an ERROR event. */
export function failureOfStatus(status: unknown, fallback: { code: number; message: string }): ApiFailure {
  const fields = isRecord(status) ? status : {};
  const details = isRecord(fields.details) ? fields.details : {};
  const code = typeof fields.code === 'number' ? fields.code : fallback.code;
  const message = textOf(fields.message) || fallback.message;
  const reason = isPositionAhead(details, message) ? 'expired' : reasonOfCode(code);
  const seconds = details.retryAfterSeconds;
  return new ApiFailure(reason, `${message} (${code})`, {
    retryAfterMs: typeof seconds === 'number' ? seconds * 1000 : 0,
  });
}

/** After etcd was restored from a backup the server is behind our position, and may stay so for ever. */
function isPositionAhead(details: Record<string, unknown>, message: string): boolean {
  const causes = Array.isArray(details.causes) ? details.causes : [];
  return (
    causes.some((cause) => isRecord(cause) && cause.reason === 'ResourceVersionTooLarge') ||
    message.includes('Too large resource version')
  );
}

const REASONS: { readonly [code: number]: FailureReason } = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'missing',
  408: 'server',
  409: 'conflict',
  410: 'expired',
  429: 'throttled',
};

function reasonOfCode(code: number): FailureReason {
  return REASONS[code] ?? (code >= 500 ? 'server' : 'rejected');
}

/** For people: what happened, and where they can do something about it, what. `access` names the credentials. */
export function describeFailure(failure: ApiFailure, resource: KindResource, access: string): string {
  const group = resource.group === '' ? 'core' : resource.group;
  switch (failure.reason) {
    case 'unauthorized':
      return `${failure.message}: the API server does not take the credentials of ${access}; renew them`;
    case 'forbidden':
      return `${failure.message}: grant the verbs list and watch on ${resource.name} (API group ${group}), cluster-wide, to the user of ${access}`;
    case 'missing':
      return `${failure.message}: the API server does not have ${resource.path}; it has to serve ${resource.name} (API group ${group}, version v1)`;
    case 'throttled':
      return `${failure.message}: the API server asks for fewer requests`;
    case 'expired':
      return `${failure.message}: reading the complete list again`;
    case 'connection':
    case 'server':
    case 'conflict':
    case 'rejected':
    case 'unreadable':
    case 'sink':
      return failure.message;
  }
}
