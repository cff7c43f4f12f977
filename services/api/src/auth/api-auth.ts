export const API_AUTH = ['auto', 'token', 'none'] as const;
/** auto: tokens are required unless the API listens on loopback only. */
export type ApiAuth = (typeof API_AUTH)[number];

export function isTokenRequired(auth: ApiAuth, isLoopback: boolean): boolean {
  return auth === 'token' || (auth === 'auto' && !isLoopback);
}
