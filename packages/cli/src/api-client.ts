/** The command line's side of the HTTP API. */
import { ERROR_CODES, errorText, type List, type Problem, SignalboxError } from '@signalbox/contracts';

export const DEFAULT_API = 'http://127.0.0.1:7070';

export type QueryParameters = Readonly<Record<string, string | number | undefined>>;

export class ApiClient {
  readonly #baseUrl: string;

  constructor(baseUrl: string) {
    if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
      throw new SignalboxError('invalid', `--api: "${baseUrl}" is not a URL like http://127.0.0.1:7070`);
    }
    this.#baseUrl = baseUrl.replace(/\/$/, '');
  }

  async get<Answer>(path: string, parameters: QueryParameters = {}): Promise<Answer> {
    const response = await this.#fetch(path, parameters, 'application/json');
    return (await response.json()) as Answer;
  }

  async getText(path: string, parameters: QueryParameters, accept: string): Promise<string> {
    return await (await this.#fetch(path, parameters, accept)).text();
  }

  async send<Answer>(method: 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { accept: 'application/json', 'content-type': 'application/json' };
    const response = await this.#request(new URL(`${this.#baseUrl}${path}`), { method, headers, ...content });
    if (!response.ok) throw await problemOf(response);
    return (await response.json()) as Answer;
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

  async #fetch(path: string, parameters: QueryParameters, accept: string): Promise<Response> {
    const url = new URL(`${this.#baseUrl}${path}`);
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await this.#request(url, { headers: { accept } });
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async #request(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, signal: AbortSignal.timeout(30_000) });
    } catch (cause) {
      throw new SignalboxError(
        'unavailable',
        `cannot reach the API at ${this.#baseUrl} (${errorText(cause)}): is "signalbox up" running? --api or SIGNALBOX_API names another address`,
        { cause },
      );
    }
  }
}

async function problemOf(response: Response): Promise<SignalboxError> {
  const body = await response.text();
  const problem = parseProblem(body);
  const code = problem?.code ?? 'internal';
  const detail = problem?.detail ?? `the API answered ${response.status}: ${body.slice(0, 200)}`;
  return new SignalboxError(Object.hasOwn(ERROR_CODES, code) ? code : 'internal', detail);
}

function parseProblem(body: string): Partial<Problem> | undefined {
  try {
    return JSON.parse(body) as Partial<Problem>;
  } catch {
    return undefined;
  }
}
