/**
 * `--manifests NAME=PATH`, `--kubeconfig FILE`, `--context NAME`, `--in-cluster NAME`, `--cluster-domain [NAME=]DOMAIN`:
 * which clusters to read, from where, and the DNS domain of each.
 *
 * Order matters for one pair only: a `--context` belongs to the `--kubeconfig` before it. A kubeconfig without a context
 * of its own means its current context.
 */
import { clusterNameSchema, SignalboxError } from '@signalbox/contracts';
import type { Command } from 'commander';

export type SourceRequest =
  | { readonly type: 'manifests'; readonly cluster: string; readonly path: string }
  | {
      readonly type: 'kubernetes';
      /** Undefined: the name of the kubeconfig's current context, known once the file is read. */
      readonly cluster: string | undefined;
      readonly kubeconfig: string | undefined;
      readonly context: string | undefined;
      readonly isInCluster: boolean;
    };

export interface SourceFlags {
  readonly requests: readonly SourceRequest[];
  readonly domains: ClusterDomains;
  /** Clusters to delete from the log. */
  readonly forget: readonly string[];
}

export interface ClusterDomains {
  readonly byCluster: ReadonlyMap<string, string>;
  readonly fallback: string | undefined;
}

export const DEFAULT_DOMAIN = 'cluster.local';

/** Adds the flags and returns what reads them once the command line is parsed. */
export function addSourceOptions(command: Command, options: { onlyManifests?: boolean } = {}): () => SourceFlags {
  const collector = new SourceCollector();
  command.option('--manifests <name=path>', 'a cluster from manifests: file, folder or - (repeatable)', (text) =>
    collector.addManifests(text),
  );
  if (options.onlyManifests !== true) {
    command
      .option('--kubeconfig <file>', 'kubeconfig of the contexts that follow (repeatable)', (file) =>
        collector.addKubeconfig(file),
      )
      .option('--context <name>', 'a cluster from the API server of this context (repeatable)', (name) =>
        collector.addContext(name),
      )
      .option('--in-cluster <name>', 'the cluster this process runs in, under this name', (name) =>
        collector.addInCluster(name),
      )
      .option(
        '--forget <name>',
        'delete this cluster, which nobody reads any more, from the log (repeatable)',
        (name) => collector.addForgotten(name),
      );
  }
  command.option(
    '--cluster-domain <[name=]domain>',
    `DNS domain of a cluster, or of the only one (default ${DEFAULT_DOMAIN}; with several: NAME.${DEFAULT_DOMAIN})`,
    (text) => collector.addDomain(text),
  );
  return () => collector.finish();
}

/**
 * The domain of a cluster: as set for it, else as set for all when it is the only one, else `cluster.local`, with the
 * cluster's name before it when there are several, because two clusters cannot share a zone.
 */
export function domainOf(cluster: string, clusterCount: number, domains: ClusterDomains): string {
  const own = domains.byCluster.get(cluster);
  if (own !== undefined) return own;
  const base = domains.fallback ?? DEFAULT_DOMAIN;
  return clusterCount === 1 ? base : `${dnsLabelOf(cluster)}.${base}`;
}

class SourceCollector {
  readonly #requests: SourceRequest[] = [];
  readonly #domains = new Map<string, string>();
  readonly #forgotten: string[] = [];
  #fallbackDomain: string | undefined;
  #kubeconfig: { file: string; isUsed: boolean } | undefined;

  addManifests(text: string): void {
    const split = text.indexOf('=');
    const [cluster, path] = [text.slice(0, split), text.slice(split + 1)];
    if (split < 1 || path === '')
      throw invalid(`--manifests needs NAME=PATH, for example shop=./manifests; got "${text}"`);
    this.#requests.push({ type: 'manifests', cluster: checkedName(cluster), path });
  }

  addKubeconfig(file: string): void {
    this.#flushKubeconfig();
    this.#kubeconfig = { file, isUsed: false };
  }

  addContext(context: string): void {
    if (this.#kubeconfig !== undefined) this.#kubeconfig.isUsed = true;
    const kubeconfig = this.#kubeconfig?.file;
    this.#requests.push({ type: 'kubernetes', cluster: checkedName(context), kubeconfig, context, isInCluster: false });
  }

  addInCluster(cluster: string): void {
    const request = { kubeconfig: undefined, context: undefined, isInCluster: true };
    this.#requests.push({ type: 'kubernetes', cluster: checkedName(cluster), ...request });
  }

  addDomain(text: string): void {
    const [first = '', second] = text.split('=');
    if (second === undefined) this.#fallbackDomain = checkedDomain(first);
    else this.#domains.set(checkedName(first), checkedDomain(second));
  }

  addForgotten(cluster: string): void {
    this.#forgotten.push(checkedName(cluster));
  }

  finish(): SourceFlags {
    this.#flushKubeconfig();
    return {
      requests: this.#requests,
      domains: { byCluster: this.#domains, fallback: this.#fallbackDomain },
      forget: this.#forgotten,
    };
  }

  #flushKubeconfig(): void {
    const pending = this.#kubeconfig;
    this.#kubeconfig = undefined;
    if (pending === undefined || pending.isUsed) return;
    const request = { cluster: undefined, kubeconfig: pending.file, context: undefined, isInCluster: false };
    this.#requests.push({ type: 'kubernetes', ...request });
  }
}

function checkedName(name: string): string {
  const result = clusterNameSchema.safeParse(name);
  if (result.success) return name;
  throw invalid(`"${name}" cannot be the name of a cluster: it ${result.error.issues[0]?.message ?? 'is not valid'}`);
}

function checkedDomain(text: string): string {
  const domain = text.replace(/\.$/, '').toLowerCase();
  const isGood =
    domain.length <= 200 && domain.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  if (!isGood) throw invalid(`"${text}" is not a DNS domain; use for example ${DEFAULT_DOMAIN}`);
  return domain;
}

/** Context names such as `admin@eu/prod` are no DNS labels. */
function dnsLabelOf(cluster: string): string {
  const label = cluster
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '');
  return label === '' ? 'cluster' : label;
}

function invalid(message: string): SignalboxError {
  return new SignalboxError('invalid', message);
}
