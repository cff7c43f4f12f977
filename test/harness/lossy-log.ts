/** An event log behind a network that loses requests and answers, and delivers copies of requests late. */
import { SignalboxError, type StreamName } from '@signalbox/contracts';
import type { AppendEntry, EventLog } from '@signalbox/event-log';
import type { Random } from './cluster-changes.ts';

export interface LossyLog extends Pick<EventLog, 'appendAll' | 'last'> {
  /** Nothing is lost any more, and no copy is on its way. */
  calm(): void;
}

/** As with JetStream, each entry of an append is stored or not by itself. */
export function lossyLog(log: EventLog, random: Random): LossyLog {
  let isCalm = false;
  const copies: (readonly [StreamName, AppendEntry])[] = [];
  const store = async (stream: StreamName, entry: AppendEntry): Promise<number> => {
    const sequence = await log.append(stream, entry);
    if (random() < 0.5) copies.push([stream, entry]);
    return sequence;
  };
  const deliverCopies = async (): Promise<void> => {
    const late = copies.splice(0, Math.floor(random() * (copies.length + 1)));
    for (const [stream, entry] of late) await log.append(stream, entry).catch(() => {});
  };
  const appendLossy = async (stream: StreamName, entry: AppendEntry): Promise<number> => {
    const fate = random();
    if (fate < 0.2) {
      copies.push([stream, entry]);
      throw new SignalboxError('unavailable', 'the request was lost');
    }
    const sequence = await store(stream, entry);
    if (fate < 0.4) throw new SignalboxError('unavailable', 'the answer was lost');
    return sequence;
  };
  return {
    last: (stream, subject) => log.last(stream, subject),
    appendAll: async (stream, entries) => {
      if (isCalm) return await log.appendAll(stream, entries);
      await deliverCopies();
      const outcomes: PromiseSettledResult<number>[] = [];
      for (const entry of entries) {
        outcomes.push(...(await Promise.allSettled([appendLossy(stream, entry)])));
      }
      const failed = outcomes.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 0));
    },
    calm: () => {
      isCalm = true;
      copies.length = 0;
    },
  };
}
