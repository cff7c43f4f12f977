/** Log lines for a person at a terminal: pino's JSON, one short line each. */
import type { DestinationStream } from '@signalbox/kit';
import { printable } from './table.ts';

interface LogLine {
  readonly level: number;
  readonly msg?: string;
  readonly component?: string;
  readonly err?: { readonly message?: string };
  readonly [field: string]: unknown;
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
const SHOWN_ELSEWHERE = new Set(['level', 'time', 'component', 'msg', 'err', 'reason']);

export function humanLogStream(print: (line: string) => void): DestinationStream {
  return { write: (text) => print(humanLogLine(text)) };
}

/** `warn  api-watcher: manifest left out  file=shop.yaml`; what is no JSON is returned as it is. */
export function humanLogLine(text: string): string {
  const line = parsed(text);
  if (line === undefined) return printable(text.trimEnd());
  const fields = Object.entries(line)
    .filter(([name]) => !SHOWN_ELSEWHERE.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const level = (LEVEL_NAMES[line.level] ?? String(line.level)).padEnd(5);
  const cause = line.err?.message === undefined ? [] : [`(${line.err.message})`];
  return printable([level, `${line.component ?? 'signalbox'}: ${line.msg ?? ''}`, ...cause, ...fields].join(' '));
}

function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}
