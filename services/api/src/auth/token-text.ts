/**
 * The text of a token: `sbx_NAME.SECRET`. The name is public and tells which token it is; the secret is 256 random bits.
 * Kept is only the hash of the whole text.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { tokenNameSchema } from '@signalbox/contracts';

const TOKEN = /^sbx_([a-z0-9-]{1,63})\.[A-Za-z0-9_-]{43}$/;

export function newTokenText(name: string): string {
  return `sbx_${tokenNameSchema.parse(name)}.${randomBytes(32).toString('base64url')}`;
}

/** Undefined for what cannot be a token. */
export function nameOfToken(text: string): string | undefined {
  return TOKEN.exec(text)?.[1];
}

export function hashOfToken(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** In a time that does not tell how much of it was right. */
export function isTokenOfHash(text: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOfToken(text), 'hex'), Buffer.from(hash, 'hex'));
}
