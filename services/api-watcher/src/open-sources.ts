/** Turns what the flags asked for into sources. */
import type { Readable } from 'node:stream';
import { SignalboxError } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import { currentContextOf, kubernetesSource, manifestsSource, type Source } from '@signalbox/kube';
import { domainOf, type SourceFlags, type SourceRequest } from './source-options.ts';

export interface OpenSourcesOptions {
  readonly logger: Logger;
  /** What the path `-` stands for. */
  readonly stdin: Readable;
}

/** Throws `invalid` when no source is named, or a path or a kubeconfig cannot be read: a mistyped flag must not look like an empty cluster. */
export function openSources(flags: SourceFlags, options: OpenSourcesOptions): Source[] {
  if (flags.requests.length === 0) {
    throw new SignalboxError(
      'invalid',
      'name at least one cluster: --manifests NAME=PATH, --context NAME or --in-cluster NAME',
    );
  }
  const named = flags.requests.map((request) => ({ request, cluster: clusterOf(request) }));
  return named.map(({ request, cluster }) => {
    const common = { cluster, domain: domainOf(cluster, named.length, flags.domains), logger: options.logger };
    if (request.type === 'manifests') {
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

function clusterOf(request: SourceRequest): string {
  if (request.cluster !== undefined) return request.cluster;
  return currentContextOf(request.type === 'kubernetes' ? request.kubeconfig : undefined);
}
