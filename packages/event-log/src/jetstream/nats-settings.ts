/** What a service is told about NATS, and what the client makes of it. Secrets come in files, read again at each reconnect. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import {
  type Authenticator,
  credsAuthenticator,
  errors,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  nkeys,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { wrapNatsError } from './errors.ts';

/** Who we are: at most one of user with password, token, NKey and credentials. */
export interface NatsLogin {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  /** A file with the seed of an NKey (`SU…`). */
  readonly nkeyFile?: string;
  /** A file with a JWT and the seed of its NKey, as `nsc` writes it. */
  readonly credentialsFile?: string;
}

export interface NatsTls {
  /** Authorities that the server's certificate may be signed by. Absent: those of Node.js. */
  readonly caFile?: string;
  /** Our own certificate and its key, where the server asks for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** The client hands its TLS options to Node.js as they are, but its types do not say so. */
type ServerOptions = Pick<NodeConnectionOptions, 'servers'> & {
  readonly tls?: NodeConnectionOptions['tls'] & Pick<ConnectionOptions, 'checkServerIdentity'>;
};

/** `nats://host:port` or `host:port`; `tls://` demands TLS. Throws `invalid` on anything else, and on passwords in it. */
export function serverOptions(servers: readonly string[], tls: NatsTls): ServerOptions {
  const urls = servers.map((text) => parseServer(text.trim()));
  const files = Object.entries({ caFile: tls.caFile, certFile: tls.certFile, keyFile: tls.keyFile });
  for (const [, path] of files) if (path !== undefined) requireReadable(path);
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    throw new SignalboxError('invalid', 'a client certificate and its key are given together');
  }
  const given = Object.fromEntries(files.filter(([, path]) => path !== undefined));
  const isTls = Object.keys(given).length > 0 || urls.some(({ protocol }) => protocol === 'tls:');
  const checkServerIdentity = identityCheckOf(urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, '')));
  return { servers: urls.map(({ host }) => host), ...(isTls && { tls: { ...given, checkServerIdentity } }) };
}

/**
 * Of a server that is named by its address the client tells no name, and Node.js would look for `localhost` in the
 * certificate. It has to hold one of the addresses that were asked for.
 */
function identityCheckOf(hosts: readonly string[]): typeof checkServerIdentity {
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (host, certificate) => {
    if (host !== 'localhost' || hosts.includes('localhost')) return checkServerIdentity(host, certificate);
    const failures = addresses.map((address) => checkServerIdentity(address, certificate));
    return failures.includes(undefined) ? undefined : failures[0];
  };
}

function parseServer(text: string): URL {
  const example = 'use nats://HOST:PORT or tls://HOST:PORT';
  const url = urlOf(text);
  if (url === undefined || !['nats:', 'tls:'].includes(url.protocol) || url.host === '') {
    throw new SignalboxError('invalid', `not a NATS server: ${JSON.stringify(text)}; ${example}`);
  }
  if (url.username !== '' || url.password !== '') {
    // The text is not repeated: it holds a secret.
    throw new SignalboxError(
      'invalid',
      `a NATS server is named without user and password; ${example}, and files for secrets`,
    );
  }
  return url;
}

function urlOf(text: string): URL | undefined {
  try {
    return new URL(/^\w+:\/\//.test(text) ? text : `nats://${text}`);
  } catch {
    return undefined;
  }
}

/** Undefined: no login. Throws `invalid` when two are asked for, or a file cannot be read or is not what it should be. */
export function authenticatorOf(login: NatsLogin): Authenticator | undefined {
  const { user, passwordFile, tokenFile, nkeyFile, credentialsFile } = login;
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw new SignalboxError('invalid', 'a NATS user and a password file are given together');
  }
  const ways = [
    passwordFile && usernamePasswordAuthenticator(user ?? '', textOf(passwordFile)),
    tokenFile && tokenAuthenticator(textOf(tokenFile)),
    nkeyFile && nkeyAuthenticator(seedOf(nkeyFile)),
    credentialsFile && credsAuthenticator(checkedBytes(credentialsFile, checkCredentials)),
  ].filter((way) => way !== undefined && way !== '');
  if (ways.length > 1) {
    throw new SignalboxError(
      'invalid',
      'choose one way to log in to NATS: user and password, token, NKey or credentials',
    );
  }
  return ways[0];
}

/** For people: which login was refused, and where to look. */
export function connectError(error: unknown, servers: readonly string[], login: NatsLogin): SignalboxError {
  const wrapped = wrapNatsError(error, `cannot connect to NATS at ${servers.join(', ')}`);
  const remedy = remedyOf(error, login);
  return remedy === undefined
    ? wrapped
    : new SignalboxError(wrapped.code, `${wrapped.message}; ${remedy}`, { cause: error });
}

function remedyOf(error: unknown, login: NatsLogin): string | undefined {
  const text = errorText(error);
  if (error instanceof errors.AuthorizationError) {
    const [given] = Object.entries(login).filter(([key]) => key !== 'user');
    return given === undefined
      ? 'the server asks for a login: give user and password file, token file, NKey file or credentials file'
      : `the server refuses this login: check ${login.user === undefined ? '' : `user ${login.user} and `}${given[1]}`;
  }
  if (/certificate|self.signed|unable to verify|issuer/i.test(text)) {
    return "the server's certificate is not trusted: give the authority that signed it as CA file, and a name it holds";
  }
  if (/server requires|handshake|tls|ssl/i.test(text)) {
    return 'the server and this side do not agree on TLS: use tls:// or a CA file, and a client certificate if it asks for one';
  }
  return /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|timeout/i.test(text) ? 'is nats-server running there?' : undefined;
}

function requireReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function textOf(path: string): () => string {
  const read = checkedBytes(path, (bytes) => {
    if (bytes.toString('utf8').trim() === '') throw new Error('it is empty');
  });
  return () => Buffer.from(read()).toString('utf8').trim();
}

function seedOf(path: string): () => Uint8Array {
  const read = checkedBytes(path, checkSeed);
  return () => read().subarray(0, -1);
}

/** Read and checked now; later, while the file cannot be read or is half written, what was read last. */
function checkedBytes(path: string, check: (bytes: Buffer) => void): () => Uint8Array {
  let last = readChecked(path, check);
  return () => {
    try {
      last = readChecked(path, check);
    } catch {
      // The login that worked is still the best guess.
    }
    return last;
  };
}

function readChecked(path: string, check: (bytes: Buffer) => void): Uint8Array {
  try {
    const bytes = readFileSync(path);
    check(bytes);
    // Credentials need a newline at their end.
    return new TextEncoder().encode(`${bytes.toString('utf8').trim()}\n`);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function checkSeed(bytes: Buffer): void {
  try {
    nkeys.fromSeed(new TextEncoder().encode(bytes.toString('utf8').trim())).clear();
  } catch {
    throw new Error('it is no NKey seed (SU…)');
  }
}

function checkCredentials(bytes: Buffer): void {
  const text = bytes.toString('utf8');
  if (!/-BEGIN NATS USER JWT-/.test(text) || !/-BEGIN USER NKEY SEED-/.test(text)) {
    throw new Error('it is no credentials file with a JWT and a seed');
  }
}

function unreadable(path: string, cause: unknown): SignalboxError {
  return new SignalboxError('invalid', `cannot use the file ${path}: ${errorText(cause)}`, { cause });
}
