/** `signalbox wait`: until every consumer of the layers has a revision. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Convergence, isSignalboxError, LAYERS, type Layer, SignalboxError } from '@signalbox/contracts';
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

async function runWait(io: CliIo, options: WaitOptions): Promise<void> {
  const deadlineMs = performance.now() + options.timeout * 1_000;
  const client = openClient(options);
  const revision =
    options.revision === 'latest' ? (await readProgress(client.atLeast('latest'), options)).head : options.revision;
  const progress = await follow(io, () => readProgress(client, options, revision), deadlineMs);
  if (isReached(progress)) {
    io.stdout.write(`revision ${revision}\n${progressTexts(progress.layers).join('\n')}\n`);
    return;
  }
  const behind = consumersBehind(progress.layers);
  if (behind.length > 0) io.stdout.write(`${formatTable(BEHIND_COLUMNS, behind, io.stdout.columns)}\n`);
  const all = progress.layers.reduce((sum, { consumers }) => sum + consumers.lagging + consumers.failing, 0);
  if (all > behind.length) io.stdout.write(`${all - behind.length} more are not listed.\n`);
  const where = revision > progress.head ? `is not in the log yet (newest: ${progress.head})` : 'is not everywhere';
  const reached = progressTexts(progress.layers).join(', ');
  throw new SignalboxError('conflict', `revision ${revision} ${where} after ${options.timeout} s: ${reached}`);
}

/** Until it is reached, or time is up: then as it was last. An API that restarts meanwhile is waited for. */
async function follow(io: CliIo, read: () => Promise<Convergence>, deadlineMs: number): Promise<Convergence> {
  const isTerminal = io.stderr.isTTY === true;
  let progress = await read();
  let failure: unknown;
  try {
    while (!isReached(progress) && performance.now() < deadlineMs) {
      if (isTerminal) io.stderr.write(`${CLEAR_LINE}${progressTexts(progress.layers).join(', ')}`);
      await delay(Math.max(0, Math.min(POLL_INTERVAL_MS, deadlineMs - performance.now())));
      failure = undefined;
      progress = await read().catch((error: unknown) => {
        if (!isSignalboxError(error, 'unavailable')) throw error;
        failure = error;
        return progress;
      });
    }
  } finally {
    if (isTerminal) io.stderr.write(CLEAR_LINE);
  }
  if (failure !== undefined) throw failure;
  return progress;
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
  'Waits until every node agent, DNS server and load balancer has applied a revision; in a layer that nobody applies, derived is enough. Exits with 0 when it is reached, and with 1 when time is up, with a table of who lags or fails and why.';

const EXAMPLES = `
Examples:
  signalbox wait --revision latest
  signalbox wait --revision 42 --layer proxy dns --timeout 5m
  signalbox wait --revision latest --cluster shop --layer lb && ./smoke-test.sh`;
