/**
 * TSIG keys from a file in BIND's syntax, as `tsig-keygen` prints it and `nsupdate -k` reads it:
 *
 *     key "transfer.example" {
 *       algorithm hmac-sha256;
 *       secret "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ==";
 *     };
 *
 * `hmac-sha256-128` is a MAC cut to so many bits. Messages name file and line, and never a secret.
 */
import { readFile } from 'node:fs/promises';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { TSIG_MAC_BYTES, type TsigAlgorithm, type TsigKey } from '@signalbox/zones';

/** Throws `invalid` with the file, the line and what is wrong there. */
export async function readKeyFile(path: string): Promise<TsigKey[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignalboxError('invalid', `cannot read the key file ${path}: ${errorText(cause)}`, { cause });
  }
  return parseKeys(text, path);
}

/** `where` is what messages call the text. */
export function parseKeys(text: string, where: string): TsigKey[] {
  const tokens = new Tokens(text, where);
  const keys: TsigKey[] = [];
  while (!tokens.isAtEnd) {
    const key = parseKey(tokens);
    if (keys.some(({ name }) => name === key.name)) throw tokens.problem(`a second key ${JSON.stringify(key.name)}`);
    keys.push(key);
  }
  return keys;
}

const KEY_NAME = /^(?:[a-z0-9_-]{1,63}\.)+$/;
const ALGORITHM = /^(hmac-sha(?:256|384|512))(?:-(\d+))?$/;
/** Shorter secrets can be guessed (RFC 8945 §10 wants as many bits as the hash; 128 is what no key should be below). */
const MIN_SECRET_BYTES = 16;
const MIN_MAC_BYTES = 10;

function parseKey(tokens: Tokens): TsigKey {
  tokens.expect('key');
  const name = parseKeyName(tokens.next('the name of a key'));
  if (name === undefined) throw tokens.problem('this is no name for a key');
  tokens.expect('{');
  let algorithm: Pick<TsigKey, 'algorithm' | 'macBytes'> | undefined;
  let secret: Uint8Array | undefined;
  for (let word = tokens.next('"}"'); word !== '}'; word = tokens.next('"}"')) {
    if (word === 'algorithm') algorithm = parseAlgorithm(tokens);
    else if (word === 'secret') secret = parseSecret(tokens);
    else throw tokens.problem(`"algorithm", "secret" or "}" is expected in key ${JSON.stringify(name)}`);
    tokens.expect(';');
  }
  if (algorithm === undefined) throw tokens.problem(`key ${JSON.stringify(name)} has no algorithm`);
  if (secret === undefined) throw tokens.problem(`key ${JSON.stringify(name)} has no secret`);
  tokens.expect(';');
  return { name, ...algorithm, secret };
}

/** Absolute, lower case; undefined for what is no domain name. */
export function parseKeyName(text: string): string | undefined {
  const name = `${text.toLowerCase().replace(/\.$/, '')}.`;
  return KEY_NAME.test(name) && name.length <= 254 ? name : undefined;
}

function parseAlgorithm(tokens: Tokens): Pick<TsigKey, 'algorithm' | 'macBytes'> {
  const [, name, bits] = ALGORITHM.exec(tokens.next('an algorithm').toLowerCase()) ?? [];
  if (name === undefined) throw tokens.problem('the algorithm must be hmac-sha256, hmac-sha384 or hmac-sha512');
  const algorithm = name as TsigAlgorithm;
  const full = TSIG_MAC_BYTES[algorithm];
  const macBytes = bits === undefined ? full : Number(bits) / 8;
  const isAllowed = Number.isInteger(macBytes) && macBytes <= full && macBytes >= Math.max(MIN_MAC_BYTES, full / 2);
  if (!isAllowed) throw tokens.problem(`${algorithm} is cut to whole octets, from ${full * 4} to ${full * 8} bits`);
  return { algorithm, macBytes };
}

function parseSecret(tokens: Tokens): Uint8Array {
  const text = tokens.next('a secret');
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0;
  if (!isBase64) throw tokens.problem('the secret is not base64');
  const secret = Buffer.from(text, 'base64');
  if (secret.length < MIN_SECRET_BYTES) {
    throw tokens.problem(`the secret has ${secret.length} octets; ${MIN_SECRET_BYTES} are the least`);
  }
  return secret;
}

/** Words, quoted words and `{ } ;`, with the line each is on; the comments of BIND are left out. */
class Tokens {
  readonly #where: string;
  readonly #tokens: { readonly text: string; readonly line: number }[] = [];
  #at = 0;

  constructor(text: string, where: string) {
    this.#where = where;
    const pattern = /\n|\/\*[\s\S]*?\*\/|(?:\/\/|#)[^\n]*|"([^"\n]*)"|[{};]|[^\s{};"]+/g;
    let line = 1;
    for (const [match, quoted] of text.matchAll(pattern)) {
      if (!/^(?:\n|\/\*|\/\/|#)/.test(match)) this.#tokens.push({ text: quoted ?? match, line });
      line += match.split('\n').length - 1;
    }
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  next(expected: string): string {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    if (token === undefined) throw this.problem(`${expected} is expected, the file ends`);
    return token.text;
  }

  expect(text: string): void {
    if (this.next(JSON.stringify(text)) !== text) throw this.problem(`${JSON.stringify(text)} is expected`);
  }

  /** About the token read last. */
  problem(what: string): SignalboxError {
    const { line } = this.#tokens[Math.min(this.#at, this.#tokens.length) - 1] ?? { line: 1 };
    return new SignalboxError('invalid', `${this.#where}, line ${line}: ${what}`);
  }
}
