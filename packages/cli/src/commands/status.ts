/** `signalbox status`: the whole plane on one screen. */
import {
  type Cluster,
  type Convergence,
  isSignalboxError,
  type LoadBalancerList,
  type NodeDriftSummary,
} from '@signalbox/contracts';
import { type Command, Option } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { formatStatus, type PlaneStatus } from '../status-text.ts';

interface StatusOptions extends ApiFlags {
  readonly output: 'table' | 'json';
}

const LIMIT = 1_000_000;

export function addStatusCommand(program: Command, io: CliIo): void {
  const command = program
    .command('status')
    .summary('the whole plane on one screen')
    .description('Clusters, layers and who applies them, load balancers, and nodes whose kernels have drifted.')
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['table', 'json']).default('table'))
    .addHelpText('after', EXAMPLES);
  withApi(command).action(async (options: StatusOptions) => {
    const status = await readStatus(openClient(options));
    const text = options.output === 'json' ? JSON.stringify(status, undefined, 2) : formatStatus(status, io.stdout);
    io.stdout.write(`${text}\n`);
  });
}

async function readStatus(client: ApiClient): Promise<PlaneStatus> {
  const convergence = await client.get<Convergence>('/v1/convergence');
  const clusters = await client.list<Cluster>('/v1/clusters', {}, LIMIT);
  return {
    convergence,
    clusters: clusters.items,
    loadBalancers: await whenReady(async () => (await client.get<LoadBalancerList>('/v1/load-balancers')).items),
    drift: await whenReady(async () => (await client.list<NodeDriftSummary>('/v1/drift', {}, LIMIT)).items),
  };
}

/** Null before anything is derived or decided: that is when one looks at the status. */
async function whenReady<Answer>(read: () => Promise<Answer>): Promise<Answer | null> {
  try {
    return await read();
  } catch (error) {
    if (isSignalboxError(error, 'unavailable')) return null;
    throw error;
  }
}

const EXAMPLES = `
Examples:
  signalbox status
  watch signalbox status --api http://10.0.0.5:7070
  signalbox status -o json | jq '.convergence.layers[] | select(.isConverged | not)'`;
