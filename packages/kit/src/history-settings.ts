/** `--history-revisions` and `--history-days`: how far back `?revision=` reaches. The store knows what holds without them. */
import type { Option } from 'commander';
import { settingOption, wholeNumber } from './settings.ts';

export interface HistorySettings {
  readonly historyRevisions?: number;
  readonly historyDays?: number;
}

const DAY_MS = 86_400_000;

export function historyOptions(): Option[] {
  return [
    settingOption('--history-revisions <count>', 'revisions of history to keep (default: 100000)').argParser(
      wholeNumber({ min: 0, max: 1_000_000_000 }),
    ),
    settingOption('--history-days <days>', 'days of history to keep, within that count (default: 7)').argParser(
      wholeNumber({ min: 0, max: 36_500 }),
    ),
  ];
}

/** Only what was set, in the words of the store. */
export function historyRetentionOf({ historyRevisions, historyDays }: HistorySettings) {
  return {
    ...(historyRevisions !== undefined && { maxRevisions: historyRevisions }),
    ...(historyDays !== undefined && { maxAgeMs: historyDays * DAY_MS }),
  };
}
