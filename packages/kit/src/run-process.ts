/**
 * The frame of every service that runs as a process of its own: settings from flags and environment, the event log,
 * health server, graceful stop on SIGTERM and SIGINT.
 *
 * Exit codes: 0 stopped as asked · 1 failed while running · 2 a setting is wrong · 128 and the signal's number: ended by it
 * before it had started, or by a second one.
 */
import { errorText, isSignalboxError } from '@signalbox/contracts';
import { Command, CommanderError } from 'commander';
import { collectDefaultMetrics } from 'prom-client';
import { dropEmptyVariables, unknownVariables } from './environment.ts';
import { startHealthServer } from './health-server.ts';
import type { ListenAddress } from './listen-address.ts';
import { measureLog } from './log-metrics.ts';
import { createLogger, LOG_LEVELS, type Logger, type LogLevel } from './logger.ts';
import { createRegistry } from './metrics.ts';
import { type MetricsTokenFlags, metricsTokenOf, metricsTokenOption } from './metrics-token.ts';
import { type NatsFlags, natsOptions } from './nats-options.ts';
import { openNatsLog } from './open-nats-log.ts';
import type { Readiness, RunningService, ServiceContext } from './service.ts';
import { listenOption, settingOption } from './settings.ts';
import { openTracer } from './tracer.ts';

/** Settings that every process has. */
interface CommonOptions extends NatsFlags, MetricsTokenFlags {
  readonly healthListen: ListenAddress;
  readonly logLevel: LogLevel;
}

export interface ProcessDefinition<Options> {
  readonly name: string;
  readonly description: string;
  /** Adds the service's own flags; each also gets an environment variable. */
  readonly options?: (command: Command) => Command;
  /** Work that some options ask for instead of a start: needs no event log. Returns whether it was asked for; it is done then. */
  readonly instead?: (options: Options, logger: Logger) => Promise<boolean>;
  readonly start: (context: ServiceContext, options: Options) => Promise<RunningService>;
}

/** Runs until a signal or a failure, then sets `process.exitCode`. */
export async function runProcess<Options>(definition: ProcessDefinition<Options>): Promise<void> {
  const command = new Command(definition.name).exitOverride();
  dropEmptyVariables(process.env);
  defineProcess(command, definition);
  try {
    await command.parseAsync();
  } catch (error) {
    // What parses an option may find fault with it in its own words.
    if (isSignalboxError(error, 'invalid')) process.stderr.write(`error: ${errorText(error)}\n`);
    else if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
  }
}

/** The same as a command of a larger command line. */
export function defineProcess<Options>(command: Command, definition: ProcessDefinition<Options>): void {
  withCommonOptions(command.description(definition.description));
  definition.options?.(command);
  command.action(async (options: Options & CommonOptions) => {
    const logger = createLogger({ component: definition.name, level: options.logLevel });
    for (const unknown of unknownVariables(process.env, variablesOf(command))) {
      logger.warn(unknown, 'this variable is no setting of this process');
    }
    process.exitCode = await runUntilStopped(definition, options, logger);
  });
}

function variablesOf(command: Command): string[] {
  return command.options.flatMap(({ envVar }) => envVar ?? []);
}

function withCommonOptions(command: Command): Command {
  command.addOption(
    settingOption('--nats <urls>', 'NATS servers, separated by commas').default('nats://127.0.0.1:4222'),
  );
  for (const option of natsOptions()) command.addOption(option);
  return command
    .addOption(listenOption('--health-listen <address>', '/healthz, /readyz, /metrics', '127.0.0.1:9090'))
    .addOption(metricsTokenOption())
    .addOption(settingOption('--log-level <level>', 'how much to log').choices(LOG_LEVELS).default('info'));
}

async function runUntilStopped<Options>(
  definition: ProcessDefinition<Options>,
  options: Options & CommonOptions,
  logger: Logger,
): Promise<number> {
  const closers: (() => Promise<void>)[] = [];
  try {
    if (await definition.instead?.(options, logger)) return 0;
    await runService(definition, options, logger, (closer) => closers.unshift(closer));
    return 0;
  } catch (err) {
    const [isWrongSetting, reason] = [isSignalboxError(err, 'invalid'), errorText(err)];
    logger.fatal(isWrongSetting ? { reason } : { err, reason }, 'cannot go on');
    return isWrongSetting ? 2 : 1;
  } finally {
    for (const close of closers) {
      await close().catch((err: unknown) => logger.error({ err }, 'could not be closed'));
    }
  }
}

/** Starts in the order of need and waits; what was opened is closed in reverse by the caller, also after a failure. */
async function runService<Options>(
  definition: ProcessDefinition<Options>,
  options: Options & CommonOptions,
  logger: Logger,
  onOpened: (close: () => Promise<void>) => void,
): Promise<void> {
  const registry = createRegistry();
  collectDefaultMetrics({ register: registry });
  const tracer = openTracer(definition.name, process.env, logger);
  onOpened(() => tracer.close());
  let service: RunningService | undefined;
  let isStopping = false;
  const notYet: Readiness = { isReady: false, reason: `${definition.name}: starting` };
  const noLonger: Readiness = { isReady: false, reason: `${definition.name}: stopping` };
  const metricsToken = metricsTokenOf(options);
  const health = await startHealthServer({
    listen: options.healthListen,
    registry,
    readiness: () => (isStopping ? noLonger : (service?.readiness() ?? notYet)),
    ...(metricsToken && { metricsToken }),
  });
  onOpened(() => health.close());
  service = await whileStarting(async () => {
    const log = await openNatsLog(definition.name, options, logger);
    onOpened(() => log.close());
    measureLog(log, registry);
    return await definition.start({ log, logger, registry, tracer, ...(metricsToken && { metricsToken }) }, options);
  });
  const started = service;
  onOpened(() => started.stop());
  const stopRequested = untilStopSignal();
  logger.info({ health: health.url }, 'started');
  await Promise.race([stopRequested, service.failure]).finally(() => {
    isStopping = true;
  });
  logger.info('stopping');
}

/**
 * Until it has started, a process ends at once at SIGTERM or SIGINT: there is nothing to finish yet, and a start that waits
 * for a server must not hold up whoever wants to stop it. (The first process of a container has no such default.)
 */
export async function whileStarting<T>(start: () => Promise<T>): Promise<T> {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, exitBy);
  try {
    return await start();
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, exitBy);
  }
}

/** As a shell tells of a program that a signal has ended. */
function exitBy(_name: NodeJS.Signals, number: number): never {
  process.exit(128 + number);
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once, as people expect of Ctrl-C twice. */
export function untilStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) {
        process.off(name, onSignal);
        process.once(name, exitBy);
      }
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
