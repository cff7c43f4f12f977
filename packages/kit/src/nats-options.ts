/** Flags and environment of the event log on NATS: the same for every process. Secrets are files, never values. */
import { DISCARD_POLICIES, type Discard, type JetStreamEventLogOptions } from '@signalbox/event-log';
import type { Option } from 'commander';
import { byteSize, settingOption, wholeNumber } from './settings.ts';

export interface NatsFlags {
  readonly nats: string;
  readonly natsPrefix?: string;
  readonly natsReplicas?: number;
  readonly natsMaxBytes?: number;
  readonly natsDiscard?: Discard;
  readonly natsDuplicateWindow?: number;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsTokenFile?: string;
  readonly natsNkeyFile?: string;
  readonly natsCredentialsFile?: string;
  readonly natsCaFile?: string;
  readonly natsCertFile?: string;
  readonly natsKeyFile?: string;
}

const KIB = 1024;
/** JetStream takes no window beyond the life of a message; an hour is far more than any retry lasts. */
const MAX_DUPLICATE_WINDOW_SECONDS = 3600;

/** All but `--nats` itself, which is optional where the log can also be a file. */
export function natsOptions(): Option[] {
  const text = settingOption;
  return [
    text('--nats-prefix <name>', 'begins the names of streams and subjects (default: "signalbox")'),
    text('--nats-replicas <count>', 'copies of each stream, in a cluster 3; unset: as found, else 1').argParser(
      wholeNumber({ min: 1, max: 5 }),
    ),
    text('--nats-max-bytes <size>', 'of each stream, like 512MiB; unset: as found, else 2GiB').argParser(
      byteSize({ min: 64 * KIB }),
    ),
    text('--nats-discard <policy>', 'what a full stream does: refuse what is new, or drop what is old').choices(
      DISCARD_POLICIES,
    ),
    text('--nats-duplicate-window <seconds>', 'how long the server remembers message ids').argParser(
      wholeNumber({ min: 1, max: MAX_DUPLICATE_WINDOW_SECONDS }),
    ),
    text('--nats-user <name>', 'user, with --nats-password-file'),
    text('--nats-password-file <file>', "the user's password"),
    text('--nats-token-file <file>', 'token'),
    text('--nats-nkey-file <file>', 'seed of an NKey'),
    text('--nats-credentials-file <file>', 'credentials (JWT and seed)'),
    text('--nats-ca-file <file>', "authority of the server's certificate; demands TLS"),
    text('--nats-cert-file <file>', 'client certificate'),
    text('--nats-key-file <file>', 'key of the client certificate'),
  ];
}

/** The flags in the words of the event log. */
export function natsSettingsOf(flags: NatsFlags): Omit<JetStreamEventLogOptions, 'name'> {
  const { natsPrefix, natsDuplicateWindow } = flags;
  return {
    servers: flags.nats.split(','),
    ...(natsPrefix !== undefined && { prefix: natsPrefix }),
    ...present({ replicas: flags.natsReplicas, maxBytes: flags.natsMaxBytes, discard: flags.natsDiscard }),
    ...(natsDuplicateWindow !== undefined && { duplicateWindowMs: natsDuplicateWindow * 1000 }),
    login: present({
      user: flags.natsUser,
      passwordFile: flags.natsPasswordFile,
      tokenFile: flags.natsTokenFile,
      nkeyFile: flags.natsNkeyFile,
      credentialsFile: flags.natsCredentialsFile,
    }),
    tls: present({ caFile: flags.natsCaFile, certFile: flags.natsCertFile, keyFile: flags.natsKeyFile }),
  };
}

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
