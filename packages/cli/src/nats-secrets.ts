/**
 * The Secrets that deploy/kubernetes refers to: one with all passwords for the servers' environment, that of the routes
 * between them too, and for each service one of its own. The servers get passwords, not hashes, because none of our dependencies makes the bcrypt hashes that
 * nats-server takes.
 */
import { NATS_ROUTES_USER, natsPasswordVariable, SERVICE_ACCESS } from '@signalbox/event-log';

export interface NatsSecretsOptions {
  /** Of the NATS servers and the plane. */
  readonly namespace: string;
  /** Node agents run in a namespace of their own; without it there is no login for them to be found. */
  readonly agentNamespace?: string;
  /** Called once for each service, in the order of the table of permissions, and then for routes. */
  readonly makePassword: () => string;
}

export interface SecretManifest {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> };
  readonly type: string;
  readonly stringData: Record<string, string>;
}

export function natsSecrets({ namespace, agentNamespace, makePassword }: NatsSecretsOptions): SecretManifest[] {
  const logins = Object.keys(SERVICE_ACCESS).map((service) => ({ service, password: makePassword() }));
  const variables = logins.map(({ service, password }) => [natsPasswordVariable(service), password] as const);
  const routes = [natsPasswordVariable(NATS_ROUTES_USER), makePassword()] as const;
  const servers = secret('nats-passwords', namespace, 'Opaque', Object.fromEntries([...variables, routes]));
  const own = logins.flatMap(({ service, password }) => {
    const where = service === 'node-agent' ? agentNamespace : namespace;
    if (where === undefined) return [];
    return [secret(`nats-login-${service}`, where, 'kubernetes.io/basic-auth', { username: service, password })];
  });
  return [servers, ...own];
}

function secret(
  name: string,
  namespace: string,
  type: string,
  stringData: Readonly<Record<string, string>>,
): SecretManifest {
  const labels = { 'app.kubernetes.io/part-of': name === 'nats-passwords' ? 'nats' : 'signalbox' };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, labels }, type, stringData };
}
