/** The tokens that the log holds, in memory: asked at each request, read again when one of them changed. */
import { type ApiTokenObject, INTENT_CLUSTER } from '@signalbox/contracts';
import { type Change, type ChangeFeed, listObjects, type Store, stateRevision } from '@signalbox/store';
import { isTokenOfHash, nameOfToken } from './token-text.ts';

const MAX_TOKENS = 10_000;
/** Compared with where there is no such token, so that both take the same time. */
const NO_HASH = '0'.repeat(64);

export type Login =
  | { readonly isKnown: true; readonly token: ApiTokenObject }
  /** `name` is that of a token that there is; the secret is wrong, or it is too old. */
  | { readonly isKnown: false; readonly name: string | undefined };

export class TokenRegistry {
  readonly #store: Store;
  readonly #stopListening: () => void;
  #tokens: ReadonlyMap<string, ApiTokenObject> | undefined;

  constructor(store: Store, feed: ChangeFeed) {
    this.#store = store;
    this.#stopListening = feed.onChanges((changes) => {
      if (changes.some(concernsTokens)) this.#tokens = undefined;
    });
  }

  check(text: string, nowMs: number): Login {
    const name = nameOfToken(text);
    const token = name === undefined ? undefined : this.#all().get(name);
    const isRight = isTokenOfHash(text, token?.spec.hash ?? NO_HASH);
    const isExpired = (token?.spec.expiresAtMs ?? Number.POSITIVE_INFINITY) <= nowMs;
    if (token === undefined || !isRight || isExpired) return { isKnown: false, name: token && name };
    return { isKnown: true, token };
  }

  close(): void {
    this.#stopListening();
  }

  #all(): ReadonlyMap<string, ApiTokenObject> {
    this.#tokens ??= readTokens(this.#store);
    return this.#tokens;
  }
}

function concernsTokens({ event, data }: Change): boolean {
  return event === 'reset' || (event === 'object' && data.includes('"ApiToken"'));
}

function readTokens(store: Store): Map<string, ApiTokenObject> {
  const revision = stateRevision(store).head;
  const rows = listObjects(store, { kind: 'ApiToken', cluster: INTENT_CLUSTER, revision, limit: MAX_TOKENS });
  return new Map(rows.map(({ object }) => [object.metadata.name, object]));
}
