/** One error class; what to do about it follows from its code. */

export const ERROR_CODES = {
  /** The request or a setting is wrong; saying it again will not help. */
  invalid: { status: 400, isRetryable: false },
  unauthorized: { status: 401, isRetryable: false },
  forbidden: { status: 403, isRetryable: false },
  not_found: { status: 404, isRetryable: false },
  /** An expected sequence or revision is no longer the latest one. */
  conflict: { status: 409, isRetryable: false },
  /** A position, continue token or revision is older than what is kept: start again from a snapshot. */
  expired: { status: 410, isRetryable: false },
  /** A limit on size or count is reached; nothing was stored. */
  limit: { status: 507, isRetryable: false },
  /** Not synced yet, or the other side is away; try again. */
  unavailable: { status: 503, isRetryable: true },
  internal: { status: 500, isRetryable: false },
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

export class SignalboxError extends Error {
  override readonly name = 'SignalboxError';
  readonly code: ErrorCode;

  /** `message` says what is wrong, where, and where possible what to do next. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export function isSignalboxError(error: unknown, code?: ErrorCode): error is SignalboxError {
  return error instanceof SignalboxError && (code === undefined || error.code === code);
}

/** Text of anything thrown, with its causes, on one line. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  const cause = error.cause === undefined ? '' : errorText(error.cause);
  return cause === '' || own.includes(cause) ? own : `${own}: ${cause}`;
}
