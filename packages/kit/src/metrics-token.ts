/** The token that `/metrics` asks for, and without which `/readyz` gives no reasons: both name clusters and Services. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { settingOption } from './settings.ts';

export interface MetricsTokenFlags {
  readonly metricsTokenFile?: string;
}

export interface MetricsToken {
  /** Of an `Authorization` header (RFC 6750); the time that it takes says nothing about the token. */
  isIn(authorization: string | undefined): boolean;
}

const MIN_LENGTH = 16;

export function metricsTokenOption() {
  return settingOption('--metrics-token-file <file>', 'token that /metrics asks for, and reasons of /readyz');
}

/**
 * Absent when none is set: then everybody may read metrics. The file is read at each request, so that it can be changed
 * without a restart; while it cannot be read, the token read last stays right. Throws `invalid` when it is unusable now.
 */
export function metricsTokenOf({ metricsTokenFile: path }: MetricsTokenFlags): MetricsToken | undefined {
  if (path === undefined) return undefined;
  let known = readToken(path);
  return {
    isIn: (authorization) => {
      const given = bearerOf(authorization);
      if (given === undefined) return false;
      try {
        known = readToken(path);
      } catch {
        // A file that is just being replaced: the next request sees the new one.
      }
      return timingSafeEqual(hashOf(given), hashOf(known));
    },
  };
}

/** The token of `Authorization: Bearer TOKEN`. */
function bearerOf(authorization = ''): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}

/** For `WWW-Authenticate` of a 401. */
export function bearerChallenge(authorization: string | undefined): string {
  const isWrong = bearerOf(authorization) !== undefined;
  return `Bearer realm="signalbox"${isWrong ? ', error="invalid_token"' : ''}`;
}

function readToken(path: string): string {
  const token = textOf(path).trim();
  if (token.length >= MIN_LENGTH && /^\S+$/.test(token)) return token;
  const wanted = `one word of at least ${MIN_LENGTH} characters`;
  throw new SignalboxError('invalid', `the metrics token in ${path} is not usable: it must be ${wanted}`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SignalboxError('invalid', `cannot read the metrics token ${path}: ${errorText(cause)}`, { cause });
  }
}

/** Of equal length, whatever was given. */
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
