/** `signalbox wait`: until every consumer of the layers has a revision. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Convergence,
  errorText,
  isSignalboxError,
  LAYERS,
  type Layer,
  SignalboxError,
} from '@signalbox/contracts';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { BEHIND_COLUMNS, consumersBehind, progressTexts } from '../progress-text.ts';
import { formatTable } from '../table.ts';
import { parseSeconds } from '../time-span.ts';

interface WaitOptions extends ApiFlags {
  readonly revision: number | 'latest';
  readonly layer: readonly Layer[];
  readonly cluster?: string;
  readonly timeout: number;
}

const POLL_INTERVAL_MS = 1_000;
const CLEAR_LINE = '\r\u001B[K';

export function addWaitCommand(program: Command, io: CliIo): void {
  const command = program
    .command('wait')
    .summary('until nodes, DNS servers and load balancers have a revision')
    .description(DESCRIPTION)
    .addOption(
      new Option('--revision <number>', 'this one, or "latest": the newest in the log when the wait begins')
        .argParser(parseRevision)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--layer <layers...>', 'only of these layers').choices(LAYERS).default(LAYERS, 'all'))
    .option('--cluster <name>', 'only of this cluster')
    .addOption(
      new Option('--timeout <time>', 'fail after this time, such as 90s or 10m')
        .argParser(parseSeconds)
        .default(60, '60s'),
    )
    .addHelpText('after', EXAMPLES);
  withApi(command).action((options: WaitOptions) => runWait(io, options));
}

interface Waiting {
  /** Shows on a terminal what is waited for; empty: nothing any more. */
  readonly tell: (text: string) => void;
  readonly deadlineMs: number;
}

interface Outcome {
  readonly revision: number;
  readonly progress: Convergence;
}

async function runWait(io: CliIo, options: WaitOptions): Promise<void> {
  const client = openClient(options);
  const waiting = { tell: tellerOf(io), deadlineMs: performance.now() + options.timeout * 1_000 };
  const outcome = await follow(client, options, waiting).finally(() => waiting.tell(''));
  if (!isReached(outcome.progress)) {
    printBehind(io, outcome.progress);
    throw notReached(options, outcome);
  }
  io.stdout.write(`revision ${outcome.revision}\n${progressTexts(outcome.progress.layers).join('\n')}\n`);
}

function tellerOf({ stdout, stderr }: CliIo): Waiting['tell'] {
  if (stderr.isTTY !== true) return () => {};
  // What goes on in a second line could not be cleared.
  return (text) => void stderr.write(`${CLEAR_LINE}${text.slice(0, (stdout.columns ?? 80) - 1)}`);
}

/** Until it is reached, or time is up: then as it was last. */
async function follow(client: ApiClient, options: WaitOptions, waiting: Waiting): Promise<Outcome> {
  const readHead = async (): Promise<number> => (await readProgress(client.atLeast('latest'), options)).head;
  const revision = options.revision === 'latest' ? await untilAnswered(readHead, waiting) : options.revision;
  for (;;) {
    const progress = await untilAnswered(() => readProgress(client, options, revision), waiting);
    if (isReached(progress) || isOver(waiting)) return { revision, progress };
    waiting.tell(progressTexts(progress.layers).join(', '));
    await pause(waiting);
  }
}

/** An API that is not there, or is behind, is waited for; when time is up, what it said last is thrown. */
async function untilAnswered<Answer>(read: () => Promise<Answer>, waiting: Waiting): Promise<Answer> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isSignalboxError(error, 'unavailable') || isOver(waiting)) throw error;
      waiting.tell(errorText(error));
    }
    await pause(waiting);
  }
}

function isOver({ deadlineMs }: Waiting): boolean {
  return performance.now() >= deadlineMs;
}

async function pause({ deadlineMs }: Waiting): Promise<void> {
  await delay(Math.max(0, Math.min(POLL_INTERVAL_MS, deadlineMs - performance.now())));
}

function printBehind({ stdout }: CliIo, { layers }: Convergence): void {
  const behind = consumersBehind(layers);
  if (behind.length > 0) stdout.write(`${formatTable(BEHIND_COLUMNS, behind, stdout.columns)}\n`);
  const all = layers.reduce((sum, { consumers }) => sum + consumers.lagging + consumers.failing, 0);
  if (all > behind.length) stdout.write(`${all - behind.length} more are not listed.\n`);
}

function notReached({ timeout }: WaitOptions, { revision, progress }: Outcome): SignalboxError {
  const where = revision > progress.head ? `is not in the log yet (newest: ${progress.head})` : 'is not everywhere';
  const reached = progressTexts(progress.layers).join(', ');
  return new SignalboxError('conflict', `revision ${revision} ${where} after ${timeout} s: ${reached}`);
}

/** Of the chosen layers alone. */
async function readProgress(
  client: ApiClient,
  { layer, cluster }: WaitOptions,
  revision?: number,
): Promise<Convergence> {
  const progress = await client.get<Convergence>('/v1/convergence', { revision, cluster });
  return { ...progress, layers: progress.layers.filter((one) => layer.includes(one.layer)) };
}

function isReached({ layers }: Convergence): boolean {
  return layers.every(({ isConverged }) => isConverged);
}

function parseRevision(text: string): number | 'latest' {
  if (text === 'latest') return 'latest';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number, or "latest".');
}

const DESCRIPTION =
  'Waits until every node agent, DNS server and load balancer has applied a revision; in a layer that nobody applies, derived is enough. Exits with 0 when it is reached, with 1 when time is up, with a table of who lags or fails and why, and with 3 when the API does not answer until then.';

const EXAMPLES = `
Examples:
  signalbox wait --revision latest
  signalbox wait --revision 42 --layer proxy dns --timeout 5m
  signalbox wait --revision latest --cluster shop --layer lb && ./smoke-test.sh`;
