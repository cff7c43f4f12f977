/** Bodies as kube-apiserver 1.36 writes them; api-server.test.ts holds them to its recordings. */
import type { KindInfo } from './kinds.ts';
import type { ApiObject } from './object-store.ts';

export interface StatusAnswer {
  readonly code: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer to a path that the server does not have, such as that of a resource that is not installed. */
export const NOT_FOUND = textAnswer(404, '404 page not found\n');

export interface PageMetadata {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** Items of a list carry neither kind nor apiVersion. */
export function listBody(info: KindInfo, items: readonly ApiObject[], metadata: PageMetadata): string {
  const bare = items.map(({ kind: _kind, apiVersion: _apiVersion, ...fields }) => fields);
  return encode({ kind: `${info.kind}List`, apiVersion: info.apiVersion, metadata, items: bare });
}

export function eventLine(type: string, object: unknown): string {
  return `${encode({ type, object })}\n`;
}

export function bookmarkLine(info: KindInfo, version: number, endsInitialEvents: boolean): string {
  const annotations = endsInitialEvents ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(version), ...annotations };
  return eventLine('BOOKMARK', { kind: info.kind, apiVersion: info.apiVersion, metadata, ...info.emptyFields });
}

export function tooOldStatus(wanted: number, oldest: number): object {
  return failure(410, 'Expired', `too old resource version: ${wanted} (${oldest})`);
}

const CONTINUE_EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

export function continueExpired(start: string): StatusAnswer {
  const status = failure(410, 'Expired', CONTINUE_EXPIRED, { metadata: { continue: continueToken(-1, start) } });
  return jsonAnswer(410, status);
}

export function continueToken(version: number, start: string): string {
  const token = encode({ v: 'meta.k8s.io/v1', rv: version, start });
  return Buffer.from(token).toString('base64url');
}

export function watchListRefused(): StatusAnswer {
  const reason = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
  const status = failure(
    422,
    'Invalid',
    `ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: ${reason}`,
    {
      details: {
        group: 'meta.k8s.io',
        kind: 'ListOptions',
        causes: [{ reason: 'FieldValueForbidden', message: `Forbidden: ${reason}`, field: 'sendInitialEvents' }],
      },
    },
  );
  return jsonAnswer(422, status);
}

/** What a server answers that has not come as far as the wanted version, for example after a restored backup. */
export function versionAhead(wanted: number, current: number): StatusAnswer {
  const status = failure(504, 'Timeout', `Too large resource version: ${wanted}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
  return { ...jsonAnswer(504, status), headers: { 'retry-after': '1' } };
}

export function applyConflict(manager: string, field: string): StatusAnswer {
  const conflict = `conflict with "${manager}" using v1`;
  const status = failure(409, 'Conflict', `Apply failed with 1 conflict: ${conflict}: ${field}`, {
    details: { causes: [{ reason: 'FieldManagerConflict', message: conflict, field }] },
  });
  return jsonAnswer(409, status);
}

export function objectMissing(resource: string, place: string): StatusAnswer {
  const name = place.split('/').at(-1) ?? '';
  return jsonAnswer(
    404,
    failure(404, 'NotFound', `${resource} "${name}" not found`, { details: { name, kind: resource } }),
  );
}

/** The answer to a request that is refused with this status, whatever it asked for. */
export function refusal(code: number, info: KindInfo, verb: 'list' | 'watch'): StatusAnswer {
  switch (code) {
    case 401:
      return jsonAnswer(401, failure(401, 'Unauthorized', 'Unauthorized'));
    case 403:
      return jsonAnswer(403, forbidden(info, verb));
    case 404:
      return NOT_FOUND;
    case 410:
      return jsonAnswer(410, failure(410, 'Expired', 'The resourceVersion for the provided watch is too old.'));
    case 429:
      return textAnswer(429, 'Too many requests, please try again later.\n');
    default:
      return jsonAnswer(code, failure(code, 'InternalError', 'Internal error occurred: told so by a test'));
  }
}

function forbidden(info: KindInfo, verb: string): object {
  const what = `"${info.resource}" in API group "${info.group}" at the cluster scope`;
  const qualified = info.group === '' ? info.resource : `${info.resource}.${info.group}`;
  const message = `${qualified} is forbidden: User "system:anonymous" cannot ${verb} resource ${what}`;
  const details = { ...(info.group === '' ? {} : { group: info.group }), kind: info.resource };
  return failure(403, 'Forbidden', message, { details });
}

function failure(
  code: number,
  reason: string,
  message: string,
  more: { metadata?: object; details?: object } = {},
): object {
  const details = more.details === undefined ? {} : { details: more.details };
  const metadata = more.metadata ?? {};
  return { kind: 'Status', apiVersion: 'v1', metadata, status: 'Failure', message, reason, ...details, code };
}

function jsonAnswer(code: number, status: object): StatusAnswer {
  return { code, contentType: 'application/json', body: `${encode(status)}\n`, headers: {} };
}

function textAnswer(code: number, body: string): StatusAnswer {
  return { code, contentType: 'text/plain; charset=utf-8', body, headers: {} };
}

/** Go's encoder writes these three characters as escapes. */
function encode(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
