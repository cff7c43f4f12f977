/** Turns what the flags asked for into sources. */
import { accessSync, constants } from 'node:fs';
import type { Readable } from 'node:stream';
import { ALL_SOURCE_KINDS, SignalboxError, SOURCE_KINDS } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import { currentContextOf, kubernetesSource, manifestsSource, type Source, STDIN_PATH } from '@signalbox/kube';
import { refuseRepeated } from './refuse-repeated.ts';
import { domainOf, type SourceFlags, type SourceRequest } from './source-options.ts';

export interface OpenSourcesOptions {
  readonly logger: Logger;
  /** What the path `-` stands for. */
  readonly stdin: Readable;
  /** Pods too, which only a DNS server that verifies their names needs. */
  readonly withPods?: boolean;
}

/**
 * Throws `invalid` when no source is named, two have one name or one DNS domain, or a path or a kubeconfig cannot be read:
 * a mistyped flag must not look like an empty cluster.
 */
export function openSources(flags: SourceFlags, options: OpenSourcesOptions): Source[] {
  if (flags.requests.length === 0) {
    throw new SignalboxError(
      'invalid',
      'name at least one cluster: --manifests NAME=PATH, --context NAME or --in-cluster NAME',
    );
  }
  const named = flags.requests.map((request) => {
    const cluster = clusterOf(request);
    return { request, cluster, domain: domainOf(cluster, flags.requests.length, flags.domains) };
  });
  refuseRepeated(named);
  const isRead = named.find(({ cluster }) => flags.forget.includes(cluster));
  if (isRead !== undefined) {
    throw new SignalboxError('invalid', `--forget ${isRead.cluster}: a source of that name is read`);
  }
  const kinds = options.withPods === true ? ALL_SOURCE_KINDS : SOURCE_KINDS;
  return named.map(({ request, cluster, domain }) => {
    const common = { cluster, domain, kinds, logger: options.logger };
    if (request.type === 'manifests') {
      requireReadable(request.path);
      return manifestsSource({ ...common, path: request.path, stdin: options.stdin, clock: Date.now });
    }
    const { kubeconfig, context, isInCluster } = request;
    return kubernetesSource({
      ...common,
      inCluster: isInCluster,
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    });
  });
}

/** Now, because a watcher that stands by would find out only when it is needed. */
function requireReadable(path: string): void {
  if (path === STDIN_PATH) return;
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw new SignalboxError('invalid', `manifests "${path}" cannot be read`, { cause });
  }
}

function clusterOf(request: SourceRequest): string {
  if (request.cluster !== undefined) return request.cluster;
  return currentContextOf(request.type === 'kubernetes' ? request.kubeconfig : undefined);
}
