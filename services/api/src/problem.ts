/** Every error is answered as a problem document (RFC 9457), whose status follows from its code. */
import { ERROR_CODES, type ErrorCode, isSignalboxError, type Problem } from '@signalbox/contracts';
import { HTTPException } from 'hono/http-exception';

const TITLES: Readonly<Record<ErrorCode, string>> = {
  invalid: 'The request is not valid',
  unauthorized: 'Who are you?',
  forbidden: 'Not allowed',
  not_found: 'There is no such thing',
  conflict: 'In conflict with the present state',
  expired: 'No longer kept',
  limit: 'A limit is reached',
  unavailable: 'Not available yet',
  internal: 'An error in Signalbox',
};

type ParameterError = NonNullable<Problem['errors']>[number];

export function problemOf(code: ErrorCode, detail: string, errors?: readonly ParameterError[]): Problem {
  const problem = { type: `urn:signalbox:problem:${code}`, title: TITLES[code], status: ERROR_CODES[code].status };
  return { ...problem, detail, code, ...(errors === undefined ? {} : { errors: [...errors] }) };
}

/** A problem document that is thrown: it says more than a code and a sentence. */
export class RequestProblem extends Error {
  override readonly name = 'RequestProblem';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** What was thrown, as far as the caller may know: an unforeseen error's text stays in the log. */
export function problemOfError(error: unknown): Problem {
  if (error instanceof RequestProblem) return error.problem;
  if (isSignalboxError(error)) return problemOf(error.code, error.message);
  if (error instanceof HTTPException && error.status < 500) return problemOf('invalid', error.message);
  return problemOf('internal', 'an unexpected error; the log of the API tells more');
}

export function problemResponse(problem: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  const all = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers };
  return new Response(JSON.stringify(problem), { status: problem.status, headers: all });
}
