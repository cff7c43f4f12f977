/** Which API server, and with which credentials: a kubeconfig file, the default ones of kubectl, or a Pod's own account. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { KubeConfig, User } from '@kubernetes/client-node';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { parse } from 'yaml';
import { newKubeConfig } from './new-kube-config.ts';
import { isRecord } from './read-object.ts';

export interface ClusterAccess {
  /** Path of a kubeconfig; without it $KUBECONFIG, then ~/.kube/config, as kubectl. */
  readonly kubeconfig?: string | undefined;
  /** Name of a context; without it the current one. */
  readonly context?: string | undefined;
  /** Use the service account that the kubelet mounts into every Pod; the other settings are then not read. */
  readonly inCluster?: boolean | undefined;
}

export interface ClusterConfig {
  readonly config: KubeConfig;
  /** For messages: `context kind-a of /home/ada/.kube/config`. */
  readonly description: string;
}

const ANONYMOUS_USER = 'signalbox-anonymous';

/** Throws `invalid`, naming the file, what is wrong with it, and for a wrong context which ones there are. */
export function loadClusterConfig(access: ClusterAccess): ClusterConfig {
  if (access.inCluster === true) return loadInCluster();
  const files = access.kubeconfig === undefined ? defaultFiles() : [resolve(access.kubeconfig)];
  const config = files.map(loadFile).reduce(merge);
  const where = files.join(delimiter);
  const contextName = chooseContext(config, access.context, where);
  requireParts(config, contextName, where);
  return { config, description: `context ${contextName} of ${where}` };
}

function loadInCluster(): ClusterConfig {
  if ((process.env.KUBERNETES_SERVICE_HOST ?? '') === '' || (process.env.KUBERNETES_SERVICE_PORT ?? '') === '') {
    throw new SignalboxError(
      'invalid',
      'in-cluster access needs KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which only a Pod has; give a kubeconfig instead',
    );
  }
  const config = newKubeConfig();
  config.loadFromCluster();
  return { config, description: "the Pod's service account" };
}

function defaultFiles(): string[] {
  const listed = (process.env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return listed.map((file) => resolve(file));
  const usual = join(homedir(), '.kube', 'config');
  if (existsSync(usual)) return [usual];
  throw new SignalboxError(
    'invalid',
    `no kubeconfig: none was given, KUBECONFIG is not set and ${usual} does not exist`,
  );
}

function loadFile(file: string): KubeConfig {
  const config = newKubeConfig();
  try {
    const text = readFileSync(file, 'utf8');
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(file));
    config.users = config.users.map((user) => withTokenFile(user, text, dirname(file)));
    config.clusters = config.clusters.map(withPlainHttp);
  } catch (error) {
    // Behind the first line of its message, and in itself, a parser's error has the text around the fault: credentials.
    const [reason] = errorText(error).split('\n');
    throw new SignalboxError('invalid', `kubeconfig ${file} cannot be used: ${reason}`);
  }
  return config;
}

function merge(first: KubeConfig, second: KubeConfig): KubeConfig {
  try {
    first.mergeConfig(second, true);
  } catch (error) {
    throw new SignalboxError('invalid', `the files of KUBECONFIG do not fit together: ${errorText(error)}`);
  }
  return first;
}

/** The client library knows `tokenFile` of a user only as an auth provider; as one, the file is read again every minute. */
function withTokenFile(user: User, text: string, folder: string): User {
  const file = tokenFileOf(parse(text), user.name);
  if (file === undefined || user.token !== undefined) return user;
  return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile: resolve(folder, file) } } };
}

function tokenFileOf(kubeconfig: unknown, userName: string): string | undefined {
  const users: unknown[] = isRecord(kubeconfig) && Array.isArray(kubeconfig.users) ? kubeconfig.users : [];
  const entry = users.find((candidate) => isRecord(candidate) && candidate.name === userName);
  const user = isRecord(entry) && isRecord(entry.user) ? entry.user : {};
  return typeof user.tokenFile === 'string' ? user.tokenFile : undefined;
}

/** The client library refuses http:// unless TLS verification is off, though there is no TLS (as with `kubectl proxy`). */
function withPlainHttp<Cluster extends { server: string; skipTLSVerify: boolean }>(cluster: Cluster): Cluster {
  return cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster;
}

function chooseContext(config: KubeConfig, wanted: string | undefined, where: string): string {
  const names = config.getContexts().map((context) => context.name);
  const name = wanted ?? config.getCurrentContext();
  const existing = names.length === 0 ? 'it has no contexts' : `it has ${names.join(', ')}`;
  if (name === undefined || name === '') {
    throw new SignalboxError('invalid', `kubeconfig ${where} has no current-context; name one: ${existing}`);
  }
  if (!names.includes(name)) {
    throw new SignalboxError('invalid', `kubeconfig ${where} has no context ${name}: ${existing}`);
  }
  config.setCurrentContext(name);
  return name;
}

/** The context's cluster and user exist. A context without a user is anonymous; the client library needs one all the same. */
function requireParts(config: KubeConfig, contextName: string, where: string): void {
  const context = config.getContextObject(contextName);
  const server = config.getCurrentCluster()?.server ?? '';
  if (!URL.canParse(server)) {
    const problem = server === '' ? `cluster ${context?.cluster} does not exist` : `${server} is not a URL`;
    throw new SignalboxError('invalid', `kubeconfig ${where}, context ${contextName}: ${problem}`);
  }
  if (config.getCurrentUser() !== null) return;
  if (context?.user !== undefined) {
    throw new SignalboxError(
      'invalid',
      `kubeconfig ${where}, context ${contextName}: user ${context.user} does not exist`,
    );
  }
  config.addUser({ name: ANONYMOUS_USER });
  config.contexts = config.contexts.map((other) => (other === context ? { ...other, user: ANONYMOUS_USER } : other));
}

/** Name of the current context. Throws `invalid` as `loadClusterConfig` does. */
export function currentContextOf(kubeconfig: string | undefined): string {
  return loadClusterConfig({ kubeconfig }).config.getCurrentContext();
}
