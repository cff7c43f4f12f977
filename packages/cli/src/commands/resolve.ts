/** `signalbox resolve`: a name as a pod resolves it, step by step, by a running Signalbox or from manifests. */
import { addSourceOptions, type SourceFlags } from '@signalbox/api-watcher';
import {
  type Cluster,
  type DnsRecord,
  INTENT_CLUSTER,
  type PodResolution,
  type RecordOrigin,
  type Resolution,
  SignalboxError,
} from '@signalbox/contracts';
import { DEFAULT_DNS_TTL_SECONDS } from '@signalbox/dns-worker';
import { compileResolvConf, recordData, resolveName, TYPE_NUMBERS } from '@signalbox/zones';
import { type Command, Option } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import { type CliIo, EXIT } from '../io.ts';
import { chosenCluster } from '../offline-plane.ts';
import { compileOfflineRecordSets, indexOfflineZones } from '../offline-zones.ts';
import { printable } from '../table.ts';
import { addPodDnsOptions, nodeResolvConfText, type PodDnsOptions, podDnsOf } from './pod-dns-options.ts';
import { addIntentsOption, readPlane } from './render-options.ts';
import { clusterDnsOf, nodeConf } from './render-pod-view.ts';

interface ResolveOptions extends PodDnsOptions, ApiFlags {
  readonly type: string;
  readonly cluster?: string;
  readonly intents?: string;
  readonly output: 'text' | 'json';
}

export function addResolveCommand(program: Command, io: CliIo): void {
  const command = program.command('resolve <name>').description('resolve a name as a pod does, step by step');
  const readSources = addSourceOptions(command, { onlyManifests: true });
  addIntentsOption(command);
  addPodDnsOptions(command);
  withApi(command, ', used without --manifests')
    .addOption(
      new Option('-t, --type <type>', 'type of record').choices([...Object.keys(TYPE_NUMBERS), 'ANY']).default('A'),
    )
    .option('--cluster <name>', 'cluster of the pod; not needed when there is one')
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['text', 'json']).default('text'))
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, options: ResolveOptions) => {
      const sources = readSources();
      const isOffline = sources.requests.length > 0 || options.intents !== undefined;
      const resolution = isOffline ? await offline(name, options, sources, io) : await online(name, options);
      const text = options.output === 'json' ? JSON.stringify(resolution, undefined, 2) : formatResolution(resolution);
      io.stdout.write(`${text}\n`);
      if (!resolution.isFound) process.exitCode = EXIT.notFound;
    });
}

async function online(name: string, options: ResolveOptions): Promise<PodResolution> {
  const client = openClient(options);
  const cluster = options.cluster ?? (await onlyCluster(client));
  const path = `/v1/clusters/${encodeURIComponent(cluster)}/namespaces/${encodeURIComponent(options.namespace)}/resolve`;
  return await client.get<PodResolution>(path, {
    name,
    type: options.type,
    policy: options.policy,
    hostNetwork: options.hostNetwork === true ? 'true' : undefined,
    nameservers: options.nameserver?.join(','),
    searches: options.search?.join(','),
    options: options.option?.join(','),
    clusterDNS: options.clusterDns?.join(','),
    nodeResolvConf: nodeResolvConfText(options),
  });
}

async function onlyCluster(client: ApiClient): Promise<string> {
  const { items } = await client.list<Cluster>('/v1/clusters', {}, 1000);
  const [first, ...others] = items.map((cluster) => cluster.name);
  if (first === undefined) throw new SignalboxError('unavailable', 'no cluster is known yet');
  if (others.length === 0) return first;
  throw new SignalboxError('invalid', `choose the pod's cluster with --cluster: ${[first, ...others].join(', ')}`);
}

async function offline(name: string, options: ResolveOptions, flags: SourceFlags, io: CliIo): Promise<Resolution> {
  const plane = await readPlane(flags, options, io);
  const cluster = chosenCluster(plane, options.cluster);
  const ttlSeconds = DEFAULT_DNS_TTL_SECONDS;
  const index = indexOfflineZones(plane, compileOfflineRecordSets(plane, ttlSeconds), ttlSeconds);
  const { resolvConf, skipped } = compileResolvConf(podDnsOf(options), {
    clusterDomain: cluster.domain,
    // Whichever server is asked, it answers what the manifests say.
    clusterDNS: options.clusterDns ?? [...clusterDnsOf(cluster), '127.0.0.1'].slice(0, 1),
    resolvConf: nodeConf(options),
  });
  plane.problems.push(...skipped.map(({ path, reason }) => `${path}: ${reason}`));
  for (const problem of plane.problems) io.stderr.write(`left out: ${problem}\n`);
  return resolveName(index, { name, type: options.type }, resolvConf, () => undefined);
}

const OUTCOMES: Readonly<Record<Resolution['steps'][number]['outcome'], string>> = {
  answer: 'answer',
  'no-data': 'the name exists, but not with this type',
  'no-such-name': 'no such name',
  'not-served': 'outside all zones: for an upstream resolver',
  'not-synced': 'the cluster is not synced yet',
};

/** The search list, then each step with its records and where they come from. */
function formatResolution({ searches, ndots, type, steps, isFound }: Resolution): string {
  const lines = [`search ${searches.join(' ') || '(none)'}, ndots:${ndots}`];
  for (const [index, step] of steps.entries()) {
    lines.push(`${index + 1}. ${step.name} ${type}: ${OUTCOMES[step.outcome]}`);
    for (const { record, origins } of step.records) {
      lines.push(`     ${recordText(record)}   ${origins.map(originText).join(', ')}`);
    }
  }
  if (!isFound) lines.push('Nothing was found.');
  return lines.map(printable).join('\n');
}

function recordText(record: DnsRecord): string {
  return `${record.name} ${record.ttlSeconds} ${record.type} ${recordData(record)}`;
}

function originText(origin: RecordOrigin): string {
  if (origin === null) return 'from the zone itself';
  const { cluster, namespace, name, revision } = origin;
  const since = revision === null ? '' : `, revision ${revision}`;
  if (cluster === INTENT_CLUSTER) return `from ${namespace} ${name}${since}`;
  return `from ${namespace}/${name} in ${cluster}${since}`;
}

const EXAMPLES = `
Examples:
  signalbox resolve storefront --namespace shop --manifests shop=examples/shop
  signalbox resolve storefront.shop --namespace default --type SRV --manifests shop=examples/shop
  signalbox resolve www.example.com --namespace shop --manifests shop=examples/shop --intents intents.backup
  signalbox resolve storefront --namespace shop          asks a running Signalbox`;
