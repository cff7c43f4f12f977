/** `signalbox render …`: compiles manifests to rules, a zone or what pods see, offline, to standard output. */
import {
  RULES_BACKENDS,
  RULES_FAMILIES,
  type RulesBackend,
  type RulesFamily,
  SignalboxError,
} from '@signalbox/contracts';
import { DEFAULT_DNS_TTL_SECONDS } from '@signalbox/dns-worker';
import { networkList, wholeNumber } from '@signalbox/kit';
import { compileProxyPlan, type DetectLocal, renderRules, rulesNodeOf } from '@signalbox/rules';
import { type Zone, zoneFileText } from '@signalbox/zones';
import { type Command, Option } from 'commander';
import type { CliIo } from '../io.ts';
import { chosenCluster, type OfflineCluster, type OfflinePlane } from '../offline-plane.ts';
import { clusterZones, compileOfflineRecordSets, intentZones } from '../offline-zones.ts';
import { addIntentsOption, addRenderOptions, finishRender, type RenderOptions, readPlane } from './render-options.ts';
import { addPodViewCommands } from './render-pod-view.ts';

/** kube-proxy's names. */
const DETECT_LOCAL_MODES: readonly DetectLocal['mode'][] = [
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
];

interface RulesOptions extends RenderOptions {
  readonly node: string;
  readonly backend: RulesBackend;
  readonly family?: RulesFamily;
  readonly clusterCidr: readonly string[];
  readonly serviceCidr: readonly string[];
  readonly detectLocalMode: DetectLocal['mode'];
  readonly podInterface?: string;
  readonly masqueradeAll?: boolean;
  readonly nodePortAddresses?: readonly string[];
}

interface ZoneOptions extends RenderOptions {
  readonly zone?: string;
  readonly dnsTtl: number;
}

export function addRenderCommand(program: Command, io: CliIo): void {
  const render = program
    .command('render')
    .description('compile manifests offline, to standard output')
    .addHelpText('after', RENDER_EXAMPLES);
  addRulesCommand(render, io);
  addZoneCommand(render, io);
  addPodViewCommands(render, io);
}

function addRulesCommand(render: Command, io: CliIo): void {
  const command = render.command('rules').description("a node's full rules, ready to be loaded");
  const readSources = addRenderOptions(command);
  addIntentsOption(command)
    .requiredOption('--node <name>', 'the node to render for')
    .addOption(new Option('--backend <name>', 'what to render').choices(RULES_BACKENDS).default('nftables'))
    .addOption(
      new Option('--family <family>', 'address family (default: both for nftables, else ipv4)').choices(RULES_FAMILIES),
    )
    .option('--cluster-cidr <cidrs>', 'pod networks, separated by commas', networkList, [])
    .option('--service-cidr <cidrs>', 'service networks, separated by commas', networkList, [])
    .addOption(
      new Option('--detect-local-mode <mode>', 'how traffic of pods is known')
        .choices(DETECT_LOCAL_MODES)
        .default('ClusterCIDR'),
    )
    .option('--pod-interface <name>', 'bridge, or prefix of interface names, of pods')
    .option('--masquerade-all', 'masquerade all traffic to cluster IPs')
    .option('--node-port-addresses <cidrs>', 'CIDRs, or "primary", separated by commas', (text) => text.split(','))
    .addHelpText('after', RULES_EXAMPLES)
    .action(async (options: RulesOptions) => {
      const plane = await readPlane(readSources(), options, io);
      const cluster = chosenCluster(plane, options.cluster);
      const plans = cluster.views.map((view) => compileProxyPlan(view));
      for (const { skipped } of plans) plane.problems.push(...skipped.map(({ path, reason }) => `${path}: ${reason}`));
      const { text, skipped } = renderRules(
        plans.flatMap(({ document }) => document ?? []),
        {
          node: nodeOf(cluster, options.node),
          backend: options.backend,
          families: familiesOf(options),
          clusterCIDRs: options.clusterCidr,
          serviceCIDRs: options.serviceCidr,
          detectLocal: detectLocalOf(options),
          masqueradeAll: options.masqueradeAll ?? false,
          ...(options.nodePortAddresses === undefined ? {} : { nodePortAddresses: options.nodePortAddresses }),
        },
      );
      plane.problems.push(...skipped.map(({ service, path, reason }) => `${service}: ${path}: ${reason}`));
      finishRender(io, plane.problems, options, text);
    });
}

function addZoneCommand(render: Command, io: CliIo): void {
  const command = render.command('zone').description('a DNS zone as master file');
  const readSources = addRenderOptions(command);
  addIntentsOption(command)
    .option('--zone <name>', 'of intents, in-addr.arpa or ip6.arpa (default: the domain of the cluster)')
    .option('--dns-ttl <seconds>', 'TTL of records', wholeNumber({ min: 0, max: 86_400 }), DEFAULT_DNS_TTL_SECONDS)
    .addHelpText('after', ZONE_EXAMPLES)
    .action(async (options: ZoneOptions) => {
      const plane = await readPlane(readSources(), options, io);
      const zone = zoneOf(plane, options);
      finishRender(io, plane.problems, options, zoneFileText(zone));
    });
}

function nodeOf(cluster: OfflineCluster, name: string) {
  const node = cluster.nodes.find(({ metadata }) => metadata.name === name);
  if (node !== undefined) return rulesNodeOf(node);
  const known = cluster.nodes.map(({ metadata }) => metadata.name);
  const hint = known.length === 0 ? 'the manifests hold no Node' : `nodes are ${known.join(', ')}`;
  throw new SignalboxError('not_found', `no node "${name}" in cluster ${cluster.name}: ${hint}`);
}

function familiesOf({ family, backend }: RulesOptions): ('IPv4' | 'IPv6')[] {
  const chosen = family ?? (backend === 'nftables' ? 'both' : 'ipv4');
  if (chosen === 'both') return ['IPv4', 'IPv6'];
  return [chosen === 'ipv4' ? 'IPv4' : 'IPv6'];
}

function detectLocalOf({ detectLocalMode: mode, podInterface = '' }: RulesOptions): DetectLocal {
  if (mode === 'BridgeInterface') return { mode, interfaceName: podInterface };
  return mode === 'InterfaceNamePrefix' ? { mode, prefix: podInterface } : { mode };
}

/** A zone of intents is of all clusters; any other belongs to one, which must then be clear. */
function zoneOf(plane: OfflinePlane, { zone: wanted, cluster, dnsTtl: ttlSeconds }: ZoneOptions): Zone {
  const recordSets = compileOfflineRecordSets(plane, ttlSeconds);
  const extra = intentZones(plane, recordSets, ttlSeconds);
  const found = wanted === undefined ? undefined : zoneNamed(extra, wanted);
  if (found !== undefined) return found;
  const chosen = chosenCluster(plane, cluster);
  const zones = [...clusterZones(recordSets, chosen, ttlSeconds), ...extra];
  const zone = zoneNamed(zones, wanted ?? chosen.domain);
  if (zone !== undefined) return zone;
  throw new SignalboxError(
    'not_found',
    `no zone "${wanted}": there is ${zones.map((candidate) => candidate.name).join(', ')}`,
  );
}

function zoneNamed(zones: readonly Zone[], wanted: string): Zone | undefined {
  const name = `${wanted.toLowerCase().replace(/\.$/, '')}.`;
  return zones.find((candidate) => candidate.name === name);
}

const RENDER_EXAMPLES = `
Examples:
  signalbox render rules --manifests shop=examples/shop --node node-a
  signalbox render zone --manifests shop=examples/shop
  signalbox render env --manifests shop=examples/shop --namespace shop
  signalbox render resolv-conf --manifests shop=examples/shop --namespace shop`;
const RULES_EXAMPLES = `
Examples:
  signalbox render rules --manifests shop=examples/shop --node node-a | nft -c -f -
  signalbox render rules --manifests shop=./dump.yaml --node node-a --backend iptables | iptables-restore --noflush
  kubectl get services,endpointslices,nodes -A -o yaml | signalbox render rules --manifests prod=- --node node-a
  signalbox render rules --manifests shop=./shop --node node-a --cluster-cidr 10.244.0.0/16,fd00:244::/32
  signalbox render rules --manifests shop=examples/shop --node node-a --intents intents.backup`;
const ZONE_EXAMPLES = `
Examples:
  signalbox render zone --manifests shop=examples/shop
  signalbox render zone --manifests shop=examples/shop --cluster-domain shop.example.com
  signalbox render zone --manifests shop=examples/shop --zone in-addr.arpa
  signalbox render zone --manifests shop=examples/shop --zone example.com --intents intents.backup`;
