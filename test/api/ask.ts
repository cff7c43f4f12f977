/** Asks the API without a socket. */

import { type Api, type ApiDependencies, createApi } from '@signalbox/api';
import { createRegistry } from '@signalbox/kit';
import { quietLogger, type World } from './world.ts';

export function openApi({ store, projector }: World, options: Partial<ApiDependencies> = {}): Api & Disposable {
  const api = createApi({ store, projector, registry: createRegistry(), logger: quietLogger, ...options });
  return { ...api, [Symbol.dispose]: () => api.close() };
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
}

/** `Body` is what the test expects there; nothing checks it. */
export async function ask<Body = Record<string, unknown>>(
  { app }: Api,
  path: string,
  request: Record<string, string> | RequestInit = {},
): Promise<Answer<Body>> {
  const response = await app.request(path, isInit(request) ? request : { headers: request });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as Body };
}

/** Most tests send headers only. */
function isInit(request: Record<string, string> | RequestInit): request is RequestInit {
  return 'method' in request || typeof request.headers === 'object';
}
