/** Flags that say who may ask the HTTP API, and over what; here, so that help texts do not wait for a server to load. */
import { SignalboxError } from '@signalbox/contracts';
import { settingOption, wholeNumber } from './settings.ts';

const API_AUTH = ['auto', 'token', 'none'] as const;
/** auto: tokens are required unless the API listens on loopback only. */
export type ApiAuth = (typeof API_AUTH)[number];

export interface AccessFlags {
  readonly apiAuth: ApiAuth;
  readonly apiTlsCert?: string;
  readonly apiTlsKey?: string;
  readonly apiRateLimit: number;
}

export interface AccessSettings {
  readonly auth: ApiAuth;
  /** Absent: without TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Of one client, when tokens are required. */
  readonly requestsPerSecond: number;
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

export function accessSettingsOf(flags: AccessFlags): AccessSettings {
  const { apiAuth: auth, apiTlsCert: certFile, apiTlsKey: keyFile, apiRateLimit: requestsPerSecond } = flags;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new SignalboxError('invalid', '--api-tls-cert and --api-tls-key belong together: give both or neither');
  }
  return { auth, requestsPerSecond, ...(certFile && keyFile ? { tls: { certFile, keyFile } } : {}) };
}
