/** `signalbox render resolv-conf` and `render env`: what a pod finds in its file system and its environment. */
import { DEFAULT_DOMAIN, type SourceFlags } from '@signalbox/api-watcher';
import type { Skipped } from '@signalbox/contracts';
import {
  compileResolvConf,
  compileServiceEnv,
  parseResolvConf,
  type ResolvConf,
  resolvConfText,
} from '@signalbox/zones';
import type { Command } from 'commander';
import type { CliIo } from '../io.ts';
import { chosenCluster, type OfflineCluster } from '../offline-plane.ts';
import { addPodDnsOptions, nodeResolvConfText, type PodDnsOptions, podDnsOf } from './pod-dns-options.ts';
import { addRenderOptions, finishRender, type RenderOptions, readPlane } from './render-options.ts';

interface EnvOptions extends RenderOptions {
  readonly namespace: string;
  readonly serviceLinks: boolean;
}

export function addPodViewCommands(render: Command, io: CliIo): void {
  addResolvConfCommand(render, io);
  addEnvCommand(render, io);
}

function addResolvConfCommand(render: Command, io: CliIo): void {
  const command = render.command('resolv-conf').description("a pod's resolv.conf, as the kubelet makes it");
  const readSources = addRenderOptions(command);
  addPodDnsOptions(command);
  command.addHelpText('after', RESOLV_CONF_EXAMPLES).action(async (options: RenderOptions & PodDnsOptions) => {
    const { domain, clusterDNS, problems } = await clusterOf(readSources(), options, io);
    const { resolvConf, skipped } = compileResolvConf(podDnsOf(options), {
      clusterDomain: domain,
      clusterDNS: options.clusterDns ?? clusterDNS,
      resolvConf: nodeConf(options),
    });
    finishRender(io, [...problems, ...skipped.map(problemOf)], options, resolvConfText(resolvConf));
  });
}

function addEnvCommand(render: Command, io: CliIo): void {
  const command = render.command('env').description('the environment variables that tell a pod of Services');
  const readSources = addRenderOptions(command);
  command
    .requiredOption('-n, --namespace <name>', 'namespace of the pod')
    .option('--no-service-links', "as with enableServiceLinks: false in the pod's spec")
    .addHelpText('after', ENV_EXAMPLES)
    .action(async (options: EnvOptions) => {
      const { namespace, serviceLinks: enableServiceLinks } = options;
      const plane = await readPlane(readSources(), options, io);
      const services = chosenCluster(plane, options.cluster).views.map(({ service }) => service);
      const { variables, skipped } = compileServiceEnv(services, { namespace, enableServiceLinks });
      const text = variables.map(({ name, value }) => `${name}=${value}\n`).join('');
      finishRender(io, [...plane.problems, ...skipped.map(problemOf)], options, text);
    });
}

/** Without manifests there is still a domain, and `--cluster-dns` may say the rest. */
async function clusterOf(flags: SourceFlags, options: RenderOptions, io: CliIo) {
  if (flags.requests.length === 0) {
    return { domain: flags.domains.fallback ?? DEFAULT_DOMAIN, clusterDNS: [], problems: [] };
  }
  const plane = await readPlane(flags, options, io);
  const cluster = chosenCluster(plane, options.cluster);
  return { domain: cluster.domain, clusterDNS: clusterDnsOf(cluster), problems: plane.problems };
}

/** The Service that kubeadm, and nearly everybody else, gives the cluster's DNS servers. */
export function clusterDnsOf({ views }: OfflineCluster): readonly string[] {
  const isDns = ({ name, namespace }: { name: string; namespace: string }) =>
    name === 'kube-dns' && namespace === 'kube-system';
  return views.find(({ service }) => isDns(service.metadata))?.service.spec.clusterIPs ?? [];
}

export function nodeConf(options: PodDnsOptions): ResolvConf | undefined {
  const text = nodeResolvConfText(options);
  return text === undefined ? undefined : parseResolvConf(text);
}

function problemOf({ path, reason }: Skipped): string {
  return `${path}: ${reason}`;
}

const RESOLV_CONF_EXAMPLES = `
Examples:
  signalbox render resolv-conf --manifests shop=examples/shop --namespace shop
  signalbox render resolv-conf --cluster-dns 10.96.0.10 --cluster-domain shop.example.com --namespace shop
  signalbox render resolv-conf --cluster-dns 10.96.0.10 --namespace shop --search db.example.com --option ndots:2
  signalbox render resolv-conf --namespace shop --policy Default --node-resolv-conf /etc/resolv.conf`;
const ENV_EXAMPLES = `
Examples:
  signalbox render env --manifests shop=examples/shop --namespace shop
  signalbox render env --manifests shop=examples/shop --namespace shop --no-service-links`;
