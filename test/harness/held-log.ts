/** An event log whose followers can be held where they are, as those of a replica that is slow or cut off. */
import type { StreamName } from '@signalbox/contracts';
import type { EventLog, FollowOptions, LogBatch } from '@signalbox/event-log';

export interface HeldLog extends EventLog {
  /** No batch is delivered any more, until `release`. Idempotent, as that is. */
  hold(): void;
  release(): void;
}

export function holdableLog(log: EventLog): HeldLog {
  let gate = Promise.resolve();
  let open: (() => void) | undefined;
  async function* follow(stream: StreamName, options: FollowOptions): AsyncIterable<LogBatch> {
    for await (const batch of log.follow(stream, options)) {
      await gate;
      yield batch;
    }
  }
  const own: Pick<HeldLog, 'follow' | 'hold' | 'release'> = {
    follow,
    hold: () => {
      if (open !== undefined) return;
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release: () => {
      open?.();
      open = undefined;
    },
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as HeldLog;
}
