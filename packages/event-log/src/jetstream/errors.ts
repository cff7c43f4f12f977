/** What a NATS server or client says, as a SignalboxError. */

import { JetStreamApiError } from '@nats-io/jetstream';
import { errors, type PermissionViolationError } from '@nats-io/transport-node';
import { type ErrorCode, errorText, SignalboxError } from '@signalbox/contracts';

/** `err_code` of the JetStream API (nats-server, server/errors.json). */
export const JS_ERROR = {
  noPeers: 10005,
  notAvailable: 10008,
  insufficientResources: 10023,
  messageNotFound: 10037,
  notEnabledForAccount: 10039,
  sequenceNotFound: 10043,
  storageExceeded: 10047,
  messageTooLarge: 10054,
  messageDeleteFailed: 10057,
  streamNotFound: 10059,
  subjectsOverlap: 10065,
  wrongLastSequence: 10071,
  replicasWithoutCluster: 10074,
  notEnabled: 10076,
  storeFailed: 10077,
  consumerExists: 10148,
  wrongLastSequenceUnknown: 10164,
} as const;

const CODE_OF_JS_ERROR: Readonly<Record<number, ErrorCode>> = {
  // A cluster that is starting has too few servers for a moment.
  [JS_ERROR.noPeers]: 'unavailable',
  [JS_ERROR.replicasWithoutCluster]: 'invalid',
  [JS_ERROR.notEnabled]: 'invalid',
  [JS_ERROR.notEnabledForAccount]: 'invalid',
  [JS_ERROR.insufficientResources]: 'limit',
  [JS_ERROR.storageExceeded]: 'limit',
  [JS_ERROR.messageTooLarge]: 'limit',
  [JS_ERROR.storeFailed]: 'limit',
  [JS_ERROR.wrongLastSequence]: 'conflict',
  [JS_ERROR.wrongLastSequenceUnknown]: 'conflict',
};

/** `what` says what was tried, for example "cannot open stream signalbox-objects". */
export function wrapNatsError(error: unknown, what: string): SignalboxError {
  if (error instanceof SignalboxError) return error;
  const violation = violationIn(error);
  if (violation !== undefined) {
    const refused = `the NATS user may not ${violation.operation} ${violation.subject}`;
    return new SignalboxError('forbidden', `${what}: ${refused}; docs/nats.md lists what each service needs`, {
      cause: error,
    });
  }
  return new SignalboxError(codeOf(error), `${what}: ${errorText(error)}`, { cause: error });
}

/** A refused request has it as its cause. */
function violationIn(error: unknown): PermissionViolationError | undefined {
  if (error instanceof errors.PermissionViolationError) return error;
  return error instanceof Error ? violationIn(error.cause) : undefined;
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof JetStreamApiError) return codeOfJsError(error.code, error.status);
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return 'unauthorized';
  }
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.InvalidSubjectError) return 'invalid';
  return 'unavailable';
}

/** A server that is starting, or has no leader, answers with a 5xx status of its own: that passes. */
export function codeOfJsError(errCode: number, status: number): ErrorCode {
  return CODE_OF_JS_ERROR[errCode] ?? (status >= 500 ? 'unavailable' : 'invalid');
}
