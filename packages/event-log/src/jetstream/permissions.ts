/**
 * What each service may do on a NATS server, and nothing else: from one table come the permissions of its user, the
 * authorization part of a nats-server configuration, and the table of docs/nats.md.
 *
 * Limits of what the server can tell apart: a read of one message (`STREAM.MSG.GET`) and a deletion (`STREAM.MSG.DELETE`,
 * for compaction) name a stream, not a subject. So who reads one message of a stream may read all of it, and who compacts
 * it could delete any message of it.
 */
import { encodeToken, INTENT_CLUSTER, SignalboxError, type StreamName } from '@signalbox/contracts';
import { inboxPrefixOf } from './inbox.ts';
import { LogSubjects } from './subjects.ts';

export interface ServiceAccess {
  /** Streams that it follows, or reads single messages of. */
  readonly reads: readonly StreamName[];
  /** Patterns of the subjects that it appends to. */
  readonly appends: readonly string[];
  /** Patterns of those among them that it may not append to all the same. */
  readonly neverAppends?: readonly string[];
  /** Streams whose old tombstones it removes. */
  readonly compacts: readonly StreamName[];
  /** Makes streams, and changes their settings. */
  readonly managesStreams: boolean;
}

export const SERVICE_ACCESS = {
  'api-watcher': {
    reads: ['objects', 'status', 'leases'],
    appends: ['objects.>', 'status.source.>', 'leases.watch.>'],
    // What belongs to no cluster: intents, and the tokens of the API.
    neverAppends: [`objects.*.*.${encodeToken(INTENT_CLUSTER)}.>`],
    compacts: ['objects', 'status', 'leases'],
    managesStreams: true,
  },
  'proxy-worker': workerAccess('proxy'),
  'dns-worker': workerAccess('dns'),
  'lb-worker': {
    reads: ['objects', 'derived', 'targets', 'status', 'leases'],
    appends: [
      'derived.lb.>',
      'watermarks.lb',
      'leases.lb.>',
      'leases.targets.>',
      'targets.>',
      'status.group.>',
      `objects.*.LoadBalancerAddress.${encodeToken(INTENT_CLUSTER)}.>`,
    ],
    compacts: ['derived', 'targets'],
    managesStreams: true,
  },
  api: {
    reads: ['objects', 'derived', 'targets', 'status'],
    appends: [`objects.*.*.${encodeToken(INTENT_CLUSTER)}.>`, 'status.group.>', 'status.lease.>'],
    compacts: [],
    managesStreams: true,
  },
  // Its own acknowledgements, before it writes the first one.
  'dns-server': { ...consumerAccess('status.ack.dns.>'), reads: ['objects', 'derived', 'status'] },
  // What others have acknowledged says when an address that is gone may leave the rules.
  'node-agent': {
    ...consumerAccess('status.ack.proxy.>', 'status.drift.>'),
    reads: ['objects', 'derived', 'status'],
  },
  'haproxy-driver': driverAccess(),
  'webhook-driver': driverAccess(),
  'status-writer': { reads: ['objects', 'targets', 'status'], appends: [], compacts: [], managesStreams: false },
} as const satisfies Record<string, ServiceAccess>;
export type ServiceName = keyof typeof SERVICE_ACCESS;

export interface NatsPermissions {
  readonly publish: readonly string[];
  /** Of what `publish` allows. */
  readonly neverPublish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Absent for what is no service of Signalbox. */
export function accessOf(service: string): ServiceAccess | undefined {
  return Object.hasOwn(SERVICE_ACCESS, service) ? SERVICE_ACCESS[service as ServiceName] : undefined;
}

/** The environment variable of the server that holds a service's password: `NATS_PASSWORD_DNS_SERVER`. */
export function natsPasswordVariable(service: string): string {
  return `NATS_PASSWORD_${service.replaceAll('-', '_').toUpperCase()}`;
}

/** The user that servers of a cluster are to each other: no service, so it may not log in as a client. */
export const NATS_ROUTES_USER = 'routes';

export function natsPermissions(service: ServiceName, prefix = 'signalbox'): NatsPermissions {
  const access: ServiceAccess = SERVICE_ACCESS[service];
  const subjects = new LogSubjects(prefix);
  const all = [...STREAM_NAMES.map((name) => subjects.stream(name)), subjects.stream('meta')];
  const reads = access.reads.map((name) => subjects.stream(name));
  const api = (...calls: string[]) => calls.map((call) => `$JS.API.${call}`);
  return {
    publish: [
      ...access.appends.map((pattern) => subjects.toNats(pattern)),
      ...access.compacts.map((stream) => subjects.compacted(stream)),
      ...(access.managesStreams ? [subjects.identity] : []),
      ...all.flatMap((stream) => api(`STREAM.INFO.${stream}`)),
      ...(access.managesStreams
        ? all.flatMap((stream) => api(`STREAM.CREATE.${stream}`, `STREAM.UPDATE.${stream}`))
        : []),
      ...[...reads, subjects.stream('meta')].flatMap((stream) => api(`STREAM.MSG.GET.${stream}`)),
      ...reads.flatMap((stream) =>
        api(`CONSUMER.CREATE.${stream}.>`, `CONSUMER.MSG.NEXT.${stream}.*`, `CONSUMER.DELETE.${stream}.*`),
      ),
      ...access.compacts.flatMap((stream) => api(`STREAM.MSG.DELETE.${subjects.stream(stream)}`)),
    ],
    neverPublish: (access.neverAppends ?? []).map((pattern) => subjects.toNats(pattern)),
    subscribe: [`${inboxPrefixOf(service)}.>`, subjects.compacted('*')],
  };
}

export interface NatsConfigOptions {
  readonly prefix?: string;
  readonly services?: readonly string[];
}

/**
 * The `authorization` block of a nats-server configuration: one user for each service, its password from the server's
 * environment (`$NATS_PASSWORD_DNS_SERVER`), or an NKey or account in its place, as the operator likes.
 */
export function renderNatsConfig({
  prefix = 'signalbox',
  services = Object.keys(SERVICE_ACCESS),
}: NatsConfigOptions = {}) {
  const users = services.map((service) => {
    if (!isServiceName(service)) {
      const known = Object.keys(SERVICE_ACCESS).join(', ');
      throw new SignalboxError('invalid', `there is no service called ${JSON.stringify(service)}; there are ${known}`);
    }
    return renderUser(service, natsPermissions(service, prefix));
  });
  return `authorization {\n  users = [\n${users.join('\n')}\n  ]\n}\n`;
}

const STREAM_NAMES: readonly StreamName[] = ['objects', 'derived', 'targets', 'status', 'leases'];

function isServiceName(text: string): text is ServiceName {
  return Object.hasOwn(SERVICE_ACCESS, text);
}

function workerAccess(layer: string): ServiceAccess {
  return {
    reads: ['objects', 'derived', 'leases'],
    appends: [`derived.${layer}.>`, `watermarks.${layer}`, `leases.${layer}.>`],
    compacts: ['derived'],
    managesStreams: true,
  };
}

function driverAccess(): ServiceAccess {
  const appends = ['status.ack.lb.>', 'status.group.>', 'status.lease.>'];
  return { reads: ['objects', 'targets', 'status'], appends, compacts: [], managesStreams: false };
}

function consumerAccess(...appends: string[]): ServiceAccess {
  return { reads: ['objects', 'derived'], appends, compacts: [], managesStreams: false };
}

/** A password in the configuration is a reference: `$NAME` is read from the server's environment. */
function renderUser(service: string, { publish, neverPublish, subscribe }: NatsPermissions): string {
  const list = (subjects: readonly string[]) =>
    `[\n${subjects.map((subject) => `        "${subject}"`).join('\n')}\n        ]`;
  const allowed = list(publish);
  return `    {
      user: "${service}"
      password: $${natsPasswordVariable(service)}
      permissions: {
        publish: ${neverPublish.length === 0 ? allowed : `{ allow: ${allowed}, deny: ${list(neverPublish)} }`}
        subscribe: ${list(subscribe)}
      }
    }`;
}
