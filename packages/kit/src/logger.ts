/** One logger for all services: pino, JSON lines, constant messages with the ids in fields. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type { DestinationStream } from 'pino';
export type Logger = PinoLogger;
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `component` is the service's or worker's name: also its durable position and its metric label. */
export function createLogger(options: {
  component: string;
  level?: LogLevel;
  destination?: DestinationStream;
}): Logger {
  const settings = { level: options.level ?? 'info', base: { component: options.component } };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}
