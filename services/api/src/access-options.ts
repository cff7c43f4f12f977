/** Flags that say who may ask the API, and over what. */
import { SignalboxError } from '@signalbox/contracts';
import { settingOption, wholeNumber } from '@signalbox/kit';
import { API_AUTH, type ApiAuth } from './auth/api-auth.ts';
import type { ApiOptions } from './start-api.ts';

export interface AccessFlags {
  readonly apiAuth: ApiAuth;
  readonly apiTlsCert?: string;
  readonly apiTlsKey?: string;
  readonly apiRateLimit: number;
}

export function accessOptions() {
  return [
    settingOption('--api-auth <mode>', 'whether the API asks for tokens; auto: beyond loopback')
      .choices(API_AUTH)
      .default('auto'),
    settingOption('--api-tls-cert <file>', 'certificate chain of the API, PEM; read again when it changes'),
    settingOption('--api-tls-key <file>', 'its private key, PEM'),
    settingOption('--api-rate-limit <count>', 'requests per second of one client, where tokens are required')
      .default(200)
      .argParser(wholeNumber({ min: 1, max: 1_000_000 })),
  ];
}

export function accessOf(flags: AccessFlags): Pick<ApiOptions, 'auth' | 'tls' | 'requestsPerSecond'> {
  const { apiAuth: auth, apiTlsCert: certFile, apiTlsKey: keyFile, apiRateLimit: requestsPerSecond } = flags;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new SignalboxError('invalid', '--api-tls-cert and --api-tls-key belong together: give both or neither');
  }
  return { auth, requestsPerSecond, ...(certFile && keyFile ? { tls: { certFile, keyFile } } : {}) };
}
