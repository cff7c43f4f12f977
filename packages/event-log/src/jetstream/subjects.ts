/**
 * Names on the NATS server. Several logs can share an account: everything of one begins with its prefix.
 *
 *     <prefix>-objects, -derived, -status   streams; subjects <prefix>.objects.>, …
 *     <prefix>-meta                         stream; <prefix>.meta.compacted.<stream> holds the highest compacted sequence,
 *                                         <prefix>.meta.identity says which log this is
 */
import { SignalboxError, STREAM_SUBJECTS, type StreamName } from '@signalbox/contracts';

export class LogSubjects {
  readonly prefix: string;

  constructor(prefix: string) {
    if (!/^[\w-]{1,32}$/.test(prefix)) {
      throw new SignalboxError(
        'invalid',
        `log prefix may hold letters, digits, _ and -, not ${JSON.stringify(prefix)}`,
      );
    }
    this.prefix = prefix;
  }

  stream(name: StreamName | 'meta'): string {
    return `${this.prefix}-${name}`;
  }

  /** Subjects that a stream stores. */
  patterns(name: StreamName | 'meta'): string[] {
    return (name === 'meta' ? ['meta.>'] : STREAM_SUBJECTS[name]).map((subject) => this.toNats(subject));
  }

  toNats(subject: string): string {
    return `${this.prefix}.${subject}`;
  }

  fromNats(subject: string): string {
    return subject.slice(this.prefix.length + 1);
  }

  get identity(): string {
    return this.toNats('meta.identity');
  }

  compacted(name: StreamName | '*'): string {
    return this.toNats(`meta.compacted.${name}`);
  }
}
