/** Requests to one API server, with bodies that are read only as fast as the caller takes them. */
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { errorText } from '@signalbox/contracts';
import { ApiFailure, failureOfStatus } from './api-failure.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { parseJson } from './watch-event.ts';

export type Query = Readonly<Record<string, string | number | boolean>>;

const MAX_ERROR_BYTES = 64 * 1024;

interface Outgoing {
  readonly method: 'GET' | 'PATCH';
  readonly path: string;
  readonly query: Query;
  readonly body?: { readonly type: string; readonly text: string };
}

export interface ApiClientOptions {
  /** Called at the start, and again whenever the server no longer takes the credentials. Throws when there are none. */
  readonly load: () => ClusterConfig;
  /** A connection from which nothing came for this long, while something was waited for, is taken for dead. */
  readonly idleTimeoutMs: number;
}

export class ApiClient {
  readonly #load: () => ClusterConfig;
  readonly #idleTimeoutMs: number;
  #access: ClusterConfig;
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** Throws what `load` throws. */
  constructor(options: ApiClientOptions) {
    this.#load = options.load;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#access = options.load();
  }

  /** Names the credentials in use. */
  get description(): string {
    return this.#access.description;
  }

  /**
   * Resolves when the server answers 200, with the body in chunks; anything else is thrown as an `ApiFailure`. The
   * connection is closed after the last chunk, on an error, at `signal`, or when the caller leaves its loop.
   */
  async stream(path: string, query: Query, signal: AbortSignal): Promise<AsyncGenerator<Buffer, void, undefined>> {
    const response = await this.#request({ method: 'GET', path, query }, signal);
    return readChunks(response, this.#idleTimeoutMs);
  }

  /** A whole body as text. */
  async text(path: string, query: Query, maxBytes: number, signal: AbortSignal): Promise<string> {
    const response = await this.#request({ method: 'GET', path, query }, signal);
    return readText(readChunks(response, this.#idleTimeoutMs), maxBytes);
  }

  /** The answer's body is not read: what was stored comes by the watch. Throws an `ApiFailure` for anything but 200 and 201. */
  async patch(path: string, query: Query, body: { type: string; text: string }, signal: AbortSignal): Promise<void> {
    const response = await this.#request({ method: 'PATCH', path, query, body }, signal);
    response.destroy();
  }

  /** A 401 may mean that a token or certificate was renewed on disk: looked for once, before the refusal counts. */
  async #request(outgoing: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
    const access = this.#access;
    try {
      return await this.#send(outgoing, signal);
    } catch (error) {
      const isRefused = error instanceof ApiFailure && error.reason === 'unauthorized';
      if (!isRefused || !this.#renew(access)) throw error;
      return this.#send(outgoing, signal);
    }
  }

  /** Whether there are other credentials than those that were refused: another kind may have come first. */
  #renew(refused: ClusterConfig): boolean {
    if (this.#access !== refused) return true;
    try {
      this.#access = this.#load();
      return true;
    } catch {
      return false;
    }
  }

  async #send({ method, path, query, body }: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
    const { config } = this.#access;
    const url = new URL(`${config.getCurrentCluster()?.server ?? ''}${path}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value));
    const options = await this.#authenticate(config);
    signal.throwIfAborted();
    const response = await request(url, { ...options, method, signal }, body, this.#idleTimeoutMs);
    if (response.statusCode === 200 || response.statusCode === 201) return response;
    throw await failureOfResponse(response, this.#idleTimeoutMs);
  }

  /** One request at a time: a credential plugin may ask a person to log in, and its answer then serves all kinds. */
  #authenticate(config: KubeConfig): Promise<RequestOptions> {
    const turn = this.#lastTurn.then(() => credentialsOf(config));
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }
}

/** Runs plugins, reads certificate and token files, and brings an agent of its own for each request. */
async function credentialsOf(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = { headers: { accept: 'application/json', 'user-agent': 'signalbox' } };
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new ApiFailure('unauthorized', `credentials could not be had: ${errorText(error)}`, { cause: error });
  }
  return options;
}

function request(
  url: URL,
  options: RequestOptions,
  body: Outgoing['body'],
  idleTimeoutMs: number,
): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? https.request : http.request;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, options);
    const timer = setTimeout(() => outgoing.destroy(silence(idleTimeoutMs)), idleTimeoutMs);
    outgoing.on('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    // Stays attached: cutting the connection later is reported here too, when there is nobody left to tell.
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    if (body !== undefined) outgoing.setHeader('content-type', body.type);
    outgoing.end(body?.text);
  });
}

/** The timer runs only while a chunk is waited for: a caller that takes its time is no dead connection. */
async function* readChunks(response: IncomingMessage, idleTimeoutMs: number): AsyncGenerator<Buffer, void, undefined> {
  const chunks: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(() => response.destroy(silence(idleTimeoutMs)), idleTimeoutMs);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    response.destroy();
  }
}

function silence(idleTimeoutMs: number): ApiFailure {
  return new ApiFailure('connection', `nothing came from the API server for ${idleTimeoutMs / 1000} s`);
}

async function readText(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ApiFailure('unreadable', `the answer is longer than ${maxBytes} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function failureOfResponse(response: IncomingMessage, idleTimeoutMs: number): Promise<ApiFailure> {
  const body = await readText(readChunks(response, idleTimeoutMs), MAX_ERROR_BYTES).catch(() => '');
  const code = response.statusCode ?? 0;
  const fallback = { code, message: body.trim().slice(0, 200) || (response.statusMessage ?? '') };
  const failure = failureOfStatus(parseJson(body), fallback);
  const retryAfterMs = Math.max(failure.retryAfterMs, parseRetryAfter(response.headers['retry-after']));
  return new ApiFailure(failure.reason, failure.message, { retryAfterMs });
}

/** Seconds or a date (RFC 9110, 10.2.3); API servers send seconds, proxies in front of them either. */
function parseRetryAfter(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
