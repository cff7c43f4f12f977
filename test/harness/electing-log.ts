import { SignalboxError } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';

type Question = 'info' | 'last';

/** A log whose servers elect a leader when each of these is first asked: that one answer is `unavailable`. */
export function electingLog(log: EventLog, questions: readonly Question[]): { log: EventLog; refused: Set<Question> } {
  const refused = new Set<Question>();
  const electing = new Proxy(log, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const question = questions.find((one) => one === name);
      if (question === undefined || refused.has(question)) return value.bind(target) as unknown;
      refused.add(question);
      return () => Promise.reject(new SignalboxError('unavailable', 'no leader'));
    },
  });
  return { log: electing, refused };
}
