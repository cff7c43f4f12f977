/** The command line's side of the HTTP API. */
import {
  ERROR_CODES,
  errorText,
  type List,
  MIN_REVISION_HEADER,
  type MinRevision,
  type Problem,
  SignalboxError,
} from '@signalbox/contracts';
import { type ApiAnswer, requestApi } from './api-request.ts';

export type QueryParameters = Readonly<Record<string, string | number | undefined>>;

export interface ApiAccess {
  readonly token?: string | undefined;
  readonly ca?: string | undefined;
  /** Of every answer; for those who know better than the command. */
  readonly minRevision?: MinRevision | undefined;
}

export interface Sending {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiClient {
  readonly #baseUrl: string;
  readonly #access: ApiAccess;

  constructor(baseUrl: string, access: ApiAccess = {}) {
    if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
      throw new SignalboxError('invalid', `--api: "${baseUrl}" is not a URL like http://127.0.0.1:7070`);
    }
    this.#baseUrl = baseUrl.replace(/\/$/, '');
    this.#access = access;
  }

  /**
   * The same API, whose answers are of at least this revision, whichever replica gives them. `latest`: of all that was
   * written before, by anybody.
   */
  atLeast(minRevision: MinRevision): ApiClient {
    return new ApiClient(this.#baseUrl, { ...this.#access, minRevision: this.#access.minRevision ?? minRevision });
  }

  async get<Answer>(path: string, parameters: QueryParameters = {}): Promise<Answer> {
    return JSON.parse(await this.getText(path, parameters, 'application/json')) as Answer;
  }

  async getText(path: string, parameters: QueryParameters, accept: string): Promise<string> {
    const url = new URL(`${this.#baseUrl}${path}`);
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return await this.#request(url, 'GET', { headers: { accept } });
  }

  async send<Answer>(
    method: 'PUT' | 'POST' | 'DELETE',
    path: string,
    { body, headers = {} }: Sending = {},
  ): Promise<Answer> {
    const all = { accept: 'application/json', 'content-type': 'application/json', ...headers };
    const url = new URL(`${this.#baseUrl}${path}`);
    return JSON.parse(await this.#request(url, method, { headers: all, body })) as Answer;
  }

  /** All pages of a list, up to `limit` items; every page is of the same revision. */
  async list<Item>(path: string, parameters: QueryParameters, limit: number): Promise<List<Item>> {
    const items: Item[] = [];
    let page: List<Item> | undefined;
    do {
      const next: string | undefined = page?.next ?? undefined;
      const size = Math.min(1000, limit - items.length);
      page = await this.get<List<Item>>(path, { ...parameters, limit: size, next });
      items.push(...page.items);
    } while (page.next !== null && items.length < limit);
    return { items, revision: page.revision, next: page.next };
  }

  async #request(url: URL, method: string, { headers = {}, body }: Sending): Promise<string> {
    const { token, ca, minRevision } = this.#access;
    const own = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(minRevision !== undefined && { [MIN_REVISION_HEADER]: String(minRevision) }),
    };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await this.#reach(() =>
      requestApi(url, { method, headers: { ...headers, ...own }, ca, ...content }),
    );
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    throw problemOf(answer);
  }

  async #reach(ask: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
    try {
      return await ask();
    } catch (cause) {
      throw new SignalboxError(
        'unavailable',
        `cannot reach the API at ${this.#baseUrl} (${errorText(cause)}): is "signalbox up" running? --api or SIGNALBOX_API names another address`,
        { cause },
      );
    }
  }
}

function problemOf({ status, text }: ApiAnswer): SignalboxError {
  const problem = parseProblem(text);
  const code = problem?.code ?? 'internal';
  const detail = problem?.detail ?? `the API answered ${status}: ${text.slice(0, 200)}`;
  const hint = status === 401 ? ' (--token-file, or SIGNALBOX_TOKEN_FILE)' : '';
  return new SignalboxError(Object.hasOwn(ERROR_CODES, code) ? code : 'internal', `${detail}${hint}`);
}

function parseProblem(body: string): Partial<Problem> | undefined {
  try {
    return JSON.parse(body) as Partial<Problem>;
  } catch {
    return undefined;
  }
}
