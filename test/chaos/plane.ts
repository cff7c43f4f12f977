/** Every service of the plane as a process of its own, from the build, two replicas of whatever can have two. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../harness/free-ports.ts';
import { CLUSTER, NODE } from './cluster.ts';
import { type ProcessSpec, SupervisedProcess } from './supervised-process.ts';

export const CLUSTER_CIDRS = ['10.244.0.0/16', 'fd00:244::/32'] as const;
/** Where node ports answer, whatever the addresses of the agent's Node are just now. */
export const NODE_PORT_ADDRESSES = ['127.0.0.0/8', '::1/128'] as const;
/** Short, so that others take over soon; longer than a busy machine lets a process wait for its turn. */
const LEASE_SECONDS = '3';

export interface Plane {
  readonly processes: ReadonlyMap<string, SupervisedProcess>;
  readonly apis: readonly ApiReplica[];
  readonly dnsPort: number;
}

export interface ApiReplica {
  readonly name: string;
  readonly url: string;
  readonly store: string;
}

export interface PlaneOptions {
  readonly folder: string;
  readonly nats: { readonly urls: string; readonly prefix: string };
  readonly kubeconfig: string;
  /** Of each API replica. */
  readonly storeFolders: readonly string[];
  /** Network namespace that the node agent programs; absent: there is no agent. */
  readonly namespace: string | undefined;
}

export async function startPlane(options: PlaneOptions): Promise<Plane> {
  const [dnsPort = 0, ...apiPorts] = await freePorts(1 + options.storeFolders.length);
  const apis = options.storeFolders.map((folder, i) => ({
    name: `api-${i + 1}`,
    url: `http://127.0.0.1:${apiPorts[i]}`,
    store: join(folder, 'store.db'),
  }));
  const specs: readonly ProcessSpec[] = [
    ...twice('api-watcher', '--kubeconfig', options.kubeconfig, '--context', CLUSTER.name, '--lease', LEASE_SECONDS),
    ...['proxy-worker', 'dns-worker', 'lb-worker'].flatMap((name) => twice(name, '--lease', LEASE_SECONDS)),
    ...apis.map(({ name, url, store }) => {
      return { name, service: 'api', args: ['--listen', new URL(url).host, '--store', store] };
    }),
    { name: 'dns-server', service: 'dns-server', args: ['--listen', `127.0.0.1:${dnsPort}`] },
    ...(options.namespace === undefined ? [] : [nodeAgent(options.folder, options.namespace)]),
  ];
  const env = {
    SIGNALBOX_NATS: options.nats.urls,
    SIGNALBOX_NATS_PREFIX: options.nats.prefix,
    SIGNALBOX_NATS_REPLICAS: '3',
    SIGNALBOX_NATS_MAX_BYTES: '64MiB',
  };
  const started = specs.map((spec): [string, SupervisedProcess] => {
    return [spec.name, new SupervisedProcess({ ...spec, env: { ...env, ...spec.env } })];
  });
  return { processes: new Map(started), apis, dnsPort };
}

function twice(service: string, ...args: string[]): ProcessSpec[] {
  return [1, 2].map((i) => ({ name: `${service}-${i}`, service, args }));
}

/** Its programs run in the namespace; it runs outside, where NATS is. */
function nodeAgent(folder: string, namespace: string): ProcessSpec {
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  for (const program of ['nft', 'conntrack', 'sysctl', 'ip']) {
    const path = join(programs, program);
    writeFileSync(path, `#!/bin/sh\nPATH=$REAL_PATH exec ip netns exec ${namespace} ${program} "$@"\n`);
    chmodSync(path, 0o755);
  }
  const realPath = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
  const where = ['--cluster', CLUSTER.name, '--node', NODE, '--cluster-cidr', CLUSTER_CIDRS.join(',')];
  const listens = ['--proxy-health-listen', '127.0.0.1:0', '--node-port-addresses', NODE_PORT_ADDRESSES.join(',')];
  return {
    name: 'node-agent',
    service: 'node-agent',
    args: [...where, ...listens],
    env: { REAL_PATH: realPath, PATH: `${programs}:${realPath}` },
  };
}
