/**
 * Who asks, and whether they may (RFC 6750). A token comes as `Authorization: Bearer`, or as Consul's clients send it.
 * Failed log-ins are limited by address and by the token that they name, so that one client with an old token locks out
 * neither others behind the same proxy nor, elsewhere, its own successor.
 */
import type { HttpBindings } from '@hono/node-server';
import { Counter, type Registry } from '@signalbox/kit';
import type { Context, MiddlewareHandler } from 'hono';
import { type ApiDependencies, nowMs } from '../dependencies.ts';
import { problemOf, problemResponse } from '../problem.ts';
import { type Asked, isAllowed, isOpen } from './allowed.ts';
import { TokenBuckets } from './token-bucket.ts';
import { TokenRegistry } from './token-registry.ts';
import { nameOfToken } from './token-text.ts';

const FAILED_LOGINS = { burst: 10, perSecond: 0.2 };
const REALM = 'Bearer realm="signalbox"';

export interface Authentication {
  readonly middleware: MiddlewareHandler;
  close(): void;
}

export function authentication(api: ApiDependencies): Authentication {
  const registry = new TokenRegistry(api.store, api.projector.feed);
  const failures = new TokenBuckets(FAILED_LOGINS);
  const count = failureCounter(api.registry);
  const middleware: MiddlewareHandler = async (c, next) => {
    const asked = { method: c.req.method, path: new URL(c.req.url).pathname };
    if (isOpen(asked) || isOpenedByMetricsToken(api, asked, c)) return await next();
    const text = tokenOf(c);
    if (text === undefined) return unauthorized('this needs a token: Authorization: Bearer TOKEN', '');
    const at = nowMs(api);
    const key = `${clientAddress(c)} ${nameOfToken(text) ?? ''}`;
    const waitMs = failures.waitMs(key, at);
    if (waitMs > 0) return tooMany('too many failed log-ins', waitMs);
    const login = registry.check(text, at);
    if (!login.isKnown) {
      failures.take(key, at);
      count.inc();
      api.logger.warn({ token: login.name ?? null, client: clientAddress(c) }, 'a log-in failed');
      return unauthorized('there is no such token, or it is too old', ', error="invalid_token"');
    }
    if (!isAllowed(login.token, asked)) return insufficient(login.token.spec.scope);
    c.set('client', `token ${login.token.metadata.name}`);
    return await next();
  };
  return { middleware, close: () => registry.close() };
}

/** Prometheus has one token for all that it scrapes, here too. */
function isOpenedByMetricsToken({ metricsToken }: ApiDependencies, { path }: Asked, c: Context): boolean {
  if (metricsToken === undefined || !['/metrics', '/readyz'].includes(path)) return false;
  return metricsToken.isIn(c.req.header('authorization'));
}

function failureCounter(registry: Registry): Counter {
  return new Counter({
    name: 'signalbox_api_failed_logins_total',
    help: 'Requests with a token that is not right.',
    registers: [registry],
  });
}

function tokenOf(c: Context): string | undefined {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? [];
  return bearer ?? c.req.header('x-consul-token');
}

/** Empty when the app is asked without a socket. */
export function clientAddress(c: Context): string {
  const { incoming } = (c.env ?? {}) as Partial<HttpBindings>;
  return incoming?.socket.remoteAddress ?? '';
}

function unauthorized(detail: string, parameters: string): Response {
  return problemResponse(problemOf('unauthorized', detail), { 'www-authenticate': `${REALM}${parameters}` });
}

function insufficient(scope: string): Response {
  const detail = `a token of the scope ${scope} does not allow this`;
  const challenge = `${REALM}, error="insufficient_scope"`;
  return problemResponse(problemOf('forbidden', detail), { 'www-authenticate': challenge });
}

export function tooMany(what: string, waitMs: number): Response {
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  const problem = { ...problemOf('unavailable', `${what}; try again in ${seconds} s`), status: 429 };
  return problemResponse(problem, { 'retry-after': String(seconds) });
}
