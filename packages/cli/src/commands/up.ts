/** `signalbox up`: everything in one process. */
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { addSourceOptions, openSources, type SourceFlags } from '@signalbox/api-watcher';
import { errorText, SignalboxError } from '@signalbox/contracts';
import {
  type AnswerFlags,
  answerOptions,
  readAnswerSettings,
  readTransferSettings,
  type TransferFlags,
  transferOptions,
} from '@signalbox/dns-server';
import { DEFAULT_DNS_TTL_SECONDS } from '@signalbox/dns-worker';
import {
  type AccessFlags,
  accessOptions,
  accessSettingsOf,
  createLogger,
  formatAddress,
  type HistorySettings,
  historyOptions,
  historyRetentionOf,
  type ListenAddress,
  LOG_LEVELS,
  type LogLevel,
  listenAddress,
  listenOption,
  type MetricsTokenFlags,
  metricsTokenOf,
  metricsTokenOption,
  type NatsFlags,
  natsOptions,
  natsSettingsOf,
  networkList,
  settingOption,
  untilStopSignal,
  whileStarting,
  wholeNumber,
} from '@signalbox/kit';
import type { Command } from 'commander';
import { humanLogStream } from '../human-log.ts';
import type { CliIo } from '../io.ts';
import { LiveStatus, type PlaneFacts } from '../live-status.ts';
import type { Plane } from '../plane.ts';

interface UpOptions
  extends HistorySettings,
    TransferFlags,
    AnswerFlags,
    AccessFlags,
    MetricsTokenFlags,
    Partial<NatsFlags> {
  readonly dataDir: string;
  readonly apiListen: ListenAddress;
  readonly dnsListen: ListenAddress | 'off';
  readonly dnsTtl: number;
  readonly clusterCidr: readonly string[];
  readonly externalDns?: boolean;
  readonly logLevel: LogLevel;
}

export function addUpCommand(program: Command, io: CliIo): void {
  const command = program.command('up').description('run the whole control plane in this process');
  const readSources = addSourceOptions(command);
  const groups = [historyOptions(), answerOptions(), transferOptions(), accessOptions(), natsOptions()];
  for (const option of groups.flat()) command.addOption(option);
  command
    .addOption(settingOption('--data-dir <path>', 'where the event log and the store are kept').default('.signalbox'))
    .addOption(listenOption('--api-listen <address>', 'address of the HTTP API', '127.0.0.1:7070'))
    .addOption(
      listenOption('--dns-listen <address>', 'address of the DNS server, or "off"', '127.0.0.1:7053').argParser(
        (text) => (text === 'off' ? text : listenAddress(text)),
      ),
    )
    .addOption(
      settingOption('--dns-ttl <seconds>', 'TTL of DNS records')
        .default(DEFAULT_DNS_TTL_SECONDS)
        .argParser(wholeNumber({ min: 0, max: 86_400 })),
    )
    .addOption(
      settingOption('--cluster-cidr <cidrs>', 'pod networks, separated by commas, for rules shown by the API')
        .default([], 'none')
        .argParser(networkList),
    )
    .addOption(settingOption('--external-dns', 'serve the webhook provider API of ExternalDNS below /external-dns'))
    .addOption(metricsTokenOption())
    .addOption(settingOption('--nats <urls>', 'keep the event log on these JetStream servers instead'))
    .addOption(settingOption('--log-level <level>', 'how much to log').choices(LOG_LEVELS).default('warn'))
    .addHelpText('after', EXAMPLES)
    .action((options: UpOptions) => runUp(options, readSources(), io));
}

async function runUp(options: UpOptions, flags: SourceFlags, io: CliIo): Promise<void> {
  let plane: Plane | undefined;
  const status = new LiveStatus(io, () => plane && factsOf(plane, clusters));
  const destination = humanLogStream((line) => status.print(line));
  const logger = createLogger({ component: 'up', level: options.logLevel, destination });
  const withPods = options.dnsPods === 'verified' && options.dnsListen !== 'off';
  const sources = openSources(flags, { logger, stdin: Readable.from(io.stdin), withPods });
  const clusters = sources.map(({ cluster, domain }) => ({ name: cluster, domain }));
  status.print(`Starting on ${clusters.map(({ name }) => name).join(', ')}; data in ${resolve(options.dataDir)}`);
  plane = await whileStarting(async () => {
    // Loaded here, so that --help and mistyped flags do not wait for servers and databases to be loaded.
    const { startPlane } = await import('../plane.ts');
    return await startPlane({
      ...planeOptionsOf(options),
      dnsAnswers: readAnswerSettings(options),
      dnsTransfers: await readTransferSettings(options),
      sources,
      forget: flags.forget,
      logger,
      onStatus: (sourceStatus) => status.noteStatus(sourceStatus),
    });
  });
  const stopRequested = untilStopSignal();
  status.start();
  try {
    await Promise.race([stopRequested, plane.failure]);
    status.print('Stopping');
  } catch (error) {
    throw new SignalboxError('internal', `a part of the control plane failed: ${errorText(error)}`, { cause: error });
  } finally {
    status.stop();
    await plane.stop();
  }
}

function planeOptionsOf(options: UpOptions) {
  const metricsToken = metricsTokenOf(options);
  return {
    ...(metricsToken && { metricsToken }),
    dataDir: options.dataDir,
    ...(options.nats === undefined ? {} : { nats: natsSettingsOf({ ...options, nats: options.nats }) }),
    apiListen: options.apiListen,
    ...(options.dnsListen === 'off' ? {} : { dnsListen: options.dnsListen }),
    dnsTtlSeconds: options.dnsTtl,
    clusterCIDRs: options.clusterCidr,
    hasExternalDns: options.externalDns === true,
    apiAccess: accessSettingsOf(options),
    historyRetention: historyRetentionOf(options),
  };
}

function factsOf(plane: Plane, clusters: PlaneFacts['clusters']): PlaneFacts {
  const [dnsAddress] = plane.dns?.addresses ?? [];
  return {
    clusters,
    revision: plane.workers.revision,
    ...plane.readiness(),
    apiUrl: plane.api.url,
    dnsAddress: dnsAddress && formatAddress(dnsAddress),
  };
}

const EXAMPLES = `
Examples:
  signalbox up --manifests shop=examples/shop
  kubectl get services,endpointslices,nodes,namespaces -A -o yaml | signalbox up --manifests prod=-
  signalbox up --kubeconfig ~/.kube/config --context prod-eu --context prod-us
  signalbox up --manifests shop=./shop --cluster-domain shop.example.com --dns-listen 127.0.0.1:53
  signalbox up --context prod --nats nats://nats-1:4222,nats://nats-2:4222`;
