/** One HTTP request over node:http(s): `fetch` cannot be told which certificate authorities to trust. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const TIMEOUT_MS = 30_000;

export interface ApiRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** Rejects when no whole answer comes in time. */
export function requestApi(url: URL, { method, headers, body, ca }: ApiRequest): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS), ...(ca === undefined ? {} : { ca }) };
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
