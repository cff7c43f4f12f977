/**
 * One POST. The address is checked when the connection is made, after the name was resolved: what a name means can change
 * between a check and its use. Redirects are answers like any other, never followed. Of the answer at most a little is
 * read.
 */
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';
import { type AddressPolicy, forbiddenAddress } from './forbidden-address.ts';

export interface PostOptions extends AddressPolicy {
  /** For the whole exchange. */
  readonly timeoutMs: number;
  readonly maxConnections: number;
}

export interface PostAnswer {
  readonly status: number;
  /** Value of `retry-after` in milliseconds, where it is a number of seconds. */
  readonly retryAfterMs: number | undefined;
  /** The beginning of the body, for people. */
  readonly text: string;
}

export interface Poster {
  /** Throws `unavailable` when there is no answer in time, `forbidden` when the address may not be sent to. */
  post(headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<PostAnswer>;
  close(): void;
}

const MAX_ANSWER_BYTES = 64 * 1024;
const SHOWN_ANSWER_LENGTH = 200;

/** Throws `invalid` for a URL that is not http or https, or that holds a password. */
export function openPoster(url: URL, options: PostOptions): Poster {
  checkUrl(url);
  const settings = { keepAlive: true, maxSockets: options.maxConnections, lookup: checkedLookup(options) };
  const isSecure = url.protocol === 'https:';
  const agent = isSecure ? new HttpsAgent(settings) : new HttpAgent(settings);
  return {
    post: async (headers, body, signal) => {
      // An address in the URL is not looked up, so it is checked here.
      const literal = url.hostname.replace(/^\[|\]$/g, '');
      const reason = isIP(literal) === 0 ? undefined : forbiddenAddress(literal, options);
      if (reason !== undefined) throw new SignalboxError('forbidden', reason);
      const request: RequestOptions = {
        method: 'POST',
        agent,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      };
      return await send(isSecure ? httpsRequest(url, request) : httpRequest(url, request), {
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
      });
    },
    close: () => agent.destroy(),
  };
}

function checkUrl({ protocol, username, password }: URL): void {
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new SignalboxError('invalid', `a webhook is sent over https or http, not ${protocol}`);
  }
  if (username !== '' || password !== '') {
    throw new SignalboxError('invalid', 'the URL of a webhook holds no user and no password: messages are signed');
  }
}

/** All addresses of the name have to be allowed: which of them is used is up to the connection. */
function checkedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0);
      const reasons = addresses.flatMap(({ address }) => forbiddenAddress(address, policy) ?? []);
      const [first] = addresses;
      if (reasons[0] !== undefined || first === undefined) {
        return callback(new SignalboxError('forbidden', `${hostname}: ${reasons[0] ?? 'it has no address'}`), '', 0);
      }
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function send(
  request: ReturnType<typeof httpRequest>,
  { body, signal }: { readonly body: string; readonly signal: AbortSignal },
): Promise<PostAnswer> {
  return new Promise((resolve, reject) => {
    const abort = (): void => void request.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const fail = (cause: unknown): void => {
      signal.removeEventListener('abort', abort);
      const isForbidden = cause instanceof SignalboxError && cause.code === 'forbidden';
      reject(isForbidden ? cause : new SignalboxError('unavailable', 'the receiver cannot be reached', { cause }));
    };
    request.once('error', fail);
    request.once('response', (response) => {
      readAnswer(response)
        .then(resolve, fail)
        .finally(() => signal.removeEventListener('abort', abort));
    });
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<PostAnswer> {
  let size = 0;
  let text = '';
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (text.length < SHOWN_ANSWER_LENGTH) text += (chunk as Buffer).toString('utf8');
    if (size > MAX_ANSWER_BYTES) break;
  }
  const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
    text: text.slice(0, SHOWN_ANSWER_LENGTH).replaceAll(/[^\x20-\x7e]+/g, ' '),
  };
}
