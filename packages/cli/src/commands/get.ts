/** `signalbox get …`: what a running Signalbox knows, as tables, JSON or YAML. */
import type {
  Cluster,
  List,
  LoadBalancerList,
  Node,
  NodeDriftSummary,
  RegistrationItem,
  Revision,
  ServiceDetail,
  ServiceSummary,
  ZoneSummary,
} from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import { wholeNumber } from '@signalbox/kit';
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { ApiClient, QueryParameters } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { sourceTexts } from '../source-text.ts';
import { type Column, formatTable } from '../table.ts';
import { DRIFT_COLUMNS, fetchNodeDrift, formatNodeDrift } from './get-drift.ts';
import { loadBalancerColumns } from './load-balancer-columns.ts';
import { formatService } from './service-text.ts';

interface GetOptions extends ApiFlags {
  readonly output: 'table' | 'json' | 'yaml';
  readonly limit: number;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly selector?: string;
  readonly class?: string;
  readonly revision?: number;
}

export function addGetCommand(program: Command, io: CliIo): void {
  const get = program.command('get').description('show what a running Signalbox knows').addHelpText('after', EXAMPLES);
  addListCommand(get, io, { name: 'clusters', path: '/v1/clusters', columns: CLUSTER_COLUMNS, filters: [] });
  addListCommand(get, io, {
    name: 'services',
    path: '/v1/services',
    columns: SERVICE_COLUMNS,
    filters: ['cluster', 'namespace', 'selector'],
  });
  addListCommand(get, io, { name: 'nodes', path: '/v1/nodes', columns: NODE_COLUMNS, filters: ['cluster'] });
  addListCommand(get, io, { name: 'zones', path: '/v1/zones', columns: ZONE_COLUMNS, filters: ['cluster'] });
  addListCommand(get, io, {
    name: 'registrations',
    path: '/v1/registrations',
    columns: REGISTRATION_COLUMNS,
    filters: ['cluster', 'namespace', 'class'],
  });
  addLoadBalancersCommand(get, io);
  addListCommand(get, io, { name: 'revisions', path: '/v1/revisions', columns: REVISION_COLUMNS, filters: [] });
  addServiceCommand(get, io);
  addDriftCommand(get, io);
}

type Filter = 'cluster' | 'namespace' | 'selector' | 'class';

const FILTER_FLAGS: Record<Filter, readonly [flags: string, description: string]> = {
  cluster: ['--cluster <name>', 'only of this cluster'],
  namespace: ['-n, --namespace <name>', 'only of this namespace'],
  selector: ['-l, --selector <query>', 'only with these labels, for example app=web,tier!=test'],
  class: ['--class <name>', 'only of this load balancer class'],
};

function addListCommand<Row>(
  get: Command,
  io: CliIo,
  list: { name: string; path: string; columns: readonly Column<Row>[]; filters: readonly Filter[] },
): void {
  const command = withCommonOptions(get.command(list.name).description(`list ${list.name}`));
  for (const filter of list.filters) command.option(...FILTER_FLAGS[filter]);
  command.option('--limit <count>', 'list at most this many', wholeNumber({ min: 1, max: 1_000_000 }), 1000);
  command.action(async (options: GetOptions) => {
    const answer = await openClient(options).list<Row>(list.path, parametersOf(options), options.limit);
    writeList(io, options, answer, list.columns, list.name);
  });
}

function addServiceCommand(get: Command, io: CliIo): void {
  const command = get
    .command('service <namespace/name>')
    .description('one service with its endpoints, rules plan, records and registrations')
    .option('--cluster <name>', 'of this cluster; needed when several clusters have one of this name');
  withCommonOptions(command).action(async (place: string, options: GetOptions) => {
    const client = openClient(options);
    const path = await findService(client, place, options);
    const detail = await client.get<ServiceDetail>(path, { revision: options.revision });
    io.stdout.write(
      options.output === 'table' ? formatService(detail, io.stdout.columns) : serialised(detail, options),
    );
  });
}

function addDriftCommand(get: Command, io: CliIo): void {
  const command = get
    .command('drift [node]')
    .description('how far the kernels of nodes are from what was programmed; of one node, in what')
    .option('--cluster <name>', 'only of this cluster')
    .option('--limit <count>', 'list at most this many', wholeNumber({ min: 1, max: 1_000_000 }), 1000);
  withOutputOptions(command).action(async (node: string | undefined, options: GetOptions) => {
    const client = openClient(options);
    if (node === undefined) {
      const answer = await client.list<NodeDriftSummary>('/v1/drift', { cluster: options.cluster }, options.limit);
      writeList(io, options, answer, DRIFT_COLUMNS, 'reports of nodes');
      return;
    }
    const drift = await fetchNodeDrift(client, node, options.cluster);
    io.stdout.write(
      options.output === 'table' ? formatNodeDrift(drift, io.stdout.columns) : serialised(drift, options),
    );
  });
}

function addLoadBalancersCommand(get: Command, io: CliIo): void {
  const command = get.command('load-balancers').description('list classes of load balancers, and who programs them');
  withOutputOptions(command).action(async (options: GetOptions) => {
    const { items } = await openClient(options).get<LoadBalancerList>('/v1/load-balancers');
    if (options.output !== 'table') io.stdout.write(serialised(items, options));
    else if (items.length === 0) io.stderr.write('No Service has a load balancer.\n');
    else io.stdout.write(`${formatTable(loadBalancerColumns(Date.now()), items, io.stdout.columns)}\n`);
  });
}

function withCommonOptions(command: Command): Command {
  const revision = wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER });
  return withOutputOptions(command).option('--revision <number>', 'as it was at this revision', revision);
}

function withOutputOptions(command: Command): Command {
  return withApi(command).addOption(
    new Option('-o, --output <format>', 'how to print it').choices(['table', 'json', 'yaml']).default('table'),
  );
}

function parametersOf(options: GetOptions): QueryParameters {
  const { cluster, namespace, selector, revision } = options;
  return { cluster, namespace, labelSelector: selector, class: options.class, revision };
}

async function findService(client: ApiClient, place: string, options: GetOptions): Promise<string> {
  const [namespace, name, ...rest] = place.split('/');
  if (!namespace || !name || rest.length > 0) {
    throw new SignalboxError('invalid', `"${place}" is not NAMESPACE/NAME, for example shop/web`);
  }
  const cluster = options.cluster ?? (await onlyClusterWith(client, namespace, name, options.revision));
  return `/v1/clusters/${encodeURIComponent(cluster)}/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(name)}`;
}

async function onlyClusterWith(
  client: ApiClient,
  namespace: string,
  name: string,
  revision: number | undefined,
): Promise<string> {
  const { items } = await client.list<ServiceSummary>('/v1/services', { namespace, revision }, 1_000_000);
  const clusters = items.filter((item) => item.name === name).map((item) => item.cluster);
  const [first] = clusters;
  if (first === undefined) {
    throw new SignalboxError(
      'not_found',
      `no service ${namespace}/${name}; "signalbox get services" lists what there is`,
    );
  }
  if (clusters.length > 1) {
    throw new SignalboxError('invalid', `${namespace}/${name} is in ${clusters.join(', ')}: choose one with --cluster`);
  }
  return first;
}

function writeList<Row>(
  io: CliIo,
  options: GetOptions,
  answer: List<Row>,
  columns: readonly Column<Row>[],
  name: string,
): void {
  if (options.output !== 'table') {
    io.stdout.write(serialised(answer, options));
    return;
  }
  if (answer.items.length === 0) io.stderr.write(`No ${name} at revision ${answer.revision}.\n`);
  else io.stdout.write(`${formatTable(columns, answer.items, io.stdout.columns)}\n`);
  if (answer.next !== null) io.stderr.write(`There are more ${name}: raise --limit.\n`);
}

function serialised(value: unknown, options: GetOptions): string {
  return options.output === 'yaml' ? stringify(value) : `${JSON.stringify(value, undefined, 2)}\n`;
}

const CLUSTER_COLUMNS: readonly Column<Cluster>[] = [
  { title: 'name', value: (row) => row.name },
  { title: 'synced', value: (row) => (row.isSynced ? 'yes' : 'no') },
  { title: 'services', value: (row) => row.counts.services },
  { title: 'slices', value: (row) => row.counts.endpointSlices },
  { title: 'nodes', value: (row) => row.counts.nodes },
  { title: 'domain', value: (row) => row.domain ?? '-' },
  { title: 'source', value: (row) => row.source ?? '-' },
  { title: 'status', value: (row) => sourceTexts(row).join('; ') || 'watching' },
];

const SERVICE_COLUMNS: readonly Column<ServiceSummary>[] = [
  { title: 'cluster', value: (row) => row.cluster },
  { title: 'namespace', value: (row) => row.namespace },
  { title: 'name', value: (row) => row.name },
  { title: 'type', value: (row) => row.type },
  { title: 'cluster ip', value: (row) => row.clusterIPs.join(',') || '-' },
  { title: 'external', value: (row) => row.externalAddresses.join(',') || '-' },
  {
    title: 'endpoints',
    value: (row) => (row.endpoints === null ? '-' : `${row.endpoints.ready}/${row.endpoints.total}`),
  },
  { title: 'revision', value: (row) => row.revision },
  { title: 'ports', value: (row) => row.ports.map(formatPort).join(',') || '-' },
];

function formatPort({ port, nodePort, protocol }: ServiceSummary['ports'][number]): string {
  return `${port}${nodePort === undefined ? '' : `:${nodePort}`}/${protocol}`;
}

const NODE_COLUMNS: readonly Column<Node>[] = [
  { title: 'cluster', value: (row) => row.cluster },
  { title: 'name', value: (row) => row.name },
  { title: 'zone', value: (row) => row.zone ?? '-' },
  { title: 'ready', value: (row) => (row.isReady ? 'yes' : 'no') },
  { title: 'backend', value: (row) => row.agent?.backend ?? '-' },
  { title: 'applied', value: (row) => row.agent?.revision ?? '-' },
  { title: 'lag', value: (row) => row.agent?.lag ?? '-' },
  { title: 'agent', value: agentText },
];

function agentText({ agent }: Node): string {
  if (agent === null) return 'none';
  if (agent.error !== '') return `failing: ${agent.error}`;
  return agent.skippedServices === 0 ? 'ok' : `ok, something left out of ${agent.skippedServices} services`;
}

const ZONE_COLUMNS: readonly Column<ZoneSummary>[] = [
  { title: 'cluster', value: (row) => row.cluster },
  { title: 'zone', value: (row) => row.name },
  { title: 'serial', value: (row) => row.serial },
  { title: 'records', value: (row) => row.records },
];

const REGISTRATION_COLUMNS: readonly Column<RegistrationItem>[] = [
  { title: 'cluster', value: (row) => row.cluster },
  { title: 'service', value: (row) => `${row.namespace}/${row.service}` },
  { title: 'port', value: (row) => `${row.port}/${row.protocol}` },
  { title: 'class', value: (row) => row.loadBalancerClass || '-' },
  { title: 'targets', value: targetsText },
  { title: 'address', value: (row) => [...row.addresses, ...row.hostnames].join(',') || '(none yet)' },
  {
    title: 'health check',
    value: (row) => `${row.healthCheck.type}:${row.healthCheck.port}${row.healthCheck.path ?? ''}`,
  },
];

/** As the cluster wants it; `signalbox targets` tells what the load balancer is asked for. */
function targetsText({ targets }: RegistrationItem): string {
  const states = (['active', 'draining', 'pending'] as const).flatMap((state) => {
    const count = targets.filter((target) => target.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  return states.join(', ') || 'none';
}

const REVISION_COLUMNS: readonly Column<Revision>[] = [
  { title: 'revision', value: (row) => row.revision },
  { title: 'at', value: (row) => row.at },
  { title: 'change', value: (row) => row.operation },
  { title: 'kind', value: (row) => row.kind },
  { title: 'object', value: (row) => [row.cluster, row.namespace, row.name].filter((part) => part !== '').join('/') },
];

const EXAMPLES = `
Examples:
  signalbox get clusters
  signalbox get services --namespace shop -l app=web
  signalbox get service shop/web -o yaml
  signalbox get registrations --class example.com/f5
  signalbox get load-balancers
  signalbox get drift                         how far nodes are from what was programmed
  signalbox get drift node-a                  and in what
  signalbox get services --revision 42        as it was at revision 42
  signalbox get nodes --cluster shop
  signalbox get zones --api http://10.0.0.5:7070`;
