/** What a scope may ask for. */
import type { ApiTokenObject } from '@signalbox/contracts';
import { readClass } from '../parameters.ts';

/** Asked without a token: whether the process lives, and the pages that explain the API. */
const OPEN = /^\/(healthz|openapi\.json|docs(\/.*)?)?$/;
const OF_CLASS = /^\/v1\/load-balancers\/([^/]+)\/(lease|target-groups)(\/|$)/;
const ONLY_ADMIN = /^\/v1\/tokens(\/|$)/;

export interface Asked {
  readonly method: string;
  /** Of the URL, still encoded. */
  readonly path: string;
}

export function isOpen({ method, path }: Asked): boolean {
  return isReading(method) && OPEN.test(path);
}

export function isAllowed({ spec }: ApiTokenObject, { method, path }: Asked): boolean {
  if (spec.scope === 'admin') return true;
  if (spec.scope === 'read') return isReading(method) && !ONLY_ADMIN.test(path);
  const text = OF_CLASS.exec(path)?.[1];
  const loadBalancerClass = text === undefined ? undefined : decode(text);
  return loadBalancerClass !== undefined && spec.classes.includes(readClass({ class: loadBalancerClass }));
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
