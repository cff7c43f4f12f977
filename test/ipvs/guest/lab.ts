/**
 * The network that the recorded cluster's node-a stands in. The node is the machine itself; the others are namespaces:
 *
 *     client 10.244.1.100 ──┐                 ┌── remote: nodes 10.240.0.2, .3 with their pods 10.244.2.x, 10.244.3.x
 *     hair   10.244.1.18  ──┼── node-a ───────┤
 *     pods   10.244.1.x   ──┘   10.240.0.1    └── ext: outside clients 192.0.2.10, 198.51.100.10, 2001:db8::10
 *
 * Pods have routed links of their own: over a shared bridge, replies between pods would pass IPVS by.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { HostCommand, Probe, ProbeResult } from './messages.ts';

/** TCP ports, and addresses whose UDP is served, of each host that has endpoints. */
const SERVED: Readonly<Record<string, readonly string[]>> = {
  pods: ['8080', '8081', '5353', '3306', '10.244.1.14'],
  remote: ['8080', '8081', '5353', '3306', '10.244.2.15'],
  hair: ['8080', '8081', '5353', '3306'],
};
const NAMESPACES = ['pods', 'client', 'hair', 'remote', 'ext'];
const FIRST_POD = 11;
const LAST_POD = 89;
/** The pod that also is a client: it can reach itself through its service. */
const HAIR = 18;

export interface Host {
  probe(probe: Probe): Promise<ProbeResult>;
  /** Opens a connection and holds it; gives what comes first. */
  open(host: string, port: number): Promise<string>;
  /** Over the connection that is held; gives what comes back. */
  say(text: string): Promise<string>;
  close(): Promise<void>;
}

export function buildNetwork(): void {
  for (const name of NAMESPACES) run('ip', ['netns', 'add', name]);
  // Later than the namespaces, which start with what the machine has: only the node forwards.
  run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.icmp_ratelimit=0']);
  run('sysctl', ['-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0']);
  for (const name of NAMESPACES) {
    batch(name, ['link set lo up']);
    batch('node', [
      `link add ${name} type veth peer name eth0 netns ${name}`,
      `link set ${name} up`,
      `addr add fe80::1/64 dev ${name} nodad`,
    ]);
    batch(name, ['link set eth0 up', 'addr add fe80::2/64 dev eth0 nodad']);
  }
  addRemoteNodes();
  const pods = range(FIRST_POD, LAST_POD).filter((host) => host !== HAIR);
  addPods('pods', pods);
  addPods('hair', [HAIR]);
  addPods('client', [100]);
  addOutside();
}

/** A process in each namespace, in which its probes are sent one after the other. */
export async function openHosts(): Promise<ReadonlyMap<string, Host>> {
  const hosts = new Map<string, Host>();
  const opening = [...NAMESPACES, 'node'].map(async (name) => hosts.set(name, await openHost(name)));
  await Promise.all(opening);
  return hosts;
}

async function openHost(name: string): Promise<Host> {
  const program = [process.execPath, new URL('host.js', import.meta.url).pathname, ...(SERVED[name] ?? [])];
  const command = name === 'node' ? program : ['ip', 'netns', 'exec', name, ...program];
  const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the host ${name} ended`);
    return value;
  };
  await next();
  const ask = async (command: HostCommand): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return JSON.parse(await next());
  };
  return {
    probe: async (probe) => (await ask({ type: 'probe', probe })) as ProbeResult,
    open: async (host, port) => (await ask({ type: 'open', host, port })) as string,
    say: async (text) => (await ask({ type: 'say', text })) as string,
    close: async () => void (await ask({ type: 'close' })),
  };
}

function addRemoteNodes(): void {
  batch('node', ['addr add 10.240.0.1/24 dev remote', 'addr add fd00:240::1/64 dev remote nodad']);
  for (const node of [2, 3]) {
    const pods = range(FIRST_POD, LAST_POD);
    batch('remote', [
      `addr add 10.240.0.${node}/24 dev eth0`,
      `addr add fd00:240::${node}/64 dev eth0 nodad`,
      ...pods.map((host) => `addr add 10.244.${node}.${host}/32 dev eth0`),
      ...pods.map((host) => `addr add fd00:244:${node}::${host.toString(16)}/128 dev eth0 nodad`),
    ]);
    batch('node', [
      `route add 10.244.${node}.0/24 via 10.240.0.${node}`,
      `route add fd00:244:${node}::/64 via fd00:240::${node}`,
    ]);
  }
  batch('remote', ['route add default via 10.240.0.1', 'route add default via fd00:240::1']);
  // The kernel looks for a route before IPVS sees what the node itself sends.
  batch('node', ['route add default via 10.240.0.2', 'route add default via fd00:240::2']);
}

/** The node routes to each pod, and seems to be their every neighbour; it talks to them from its own address. */
function addPods(name: string, hosts: readonly number[]): void {
  run('sysctl', ['-qw', `net.ipv4.conf.${name}.proxy_arp=1`]);
  batch(name, [
    ...hosts.map((host) => `addr add 10.244.1.${host}/32 dev eth0`),
    ...hosts.map((host) => `addr add fd00:244:1::${host.toString(16)}/128 dev eth0 nodad`),
    'route add 169.254.1.1 dev eth0 scope link',
    'route add default via 169.254.1.1 dev eth0',
    'route add default via fe80::1 dev eth0',
  ]);
  batch('node', [
    ...hosts.map((host) => `route add 10.244.1.${host}/32 dev ${name} scope link src 10.240.0.1`),
    ...hosts.map((host) => `route add fd00:244:1::${host.toString(16)}/128 via fe80::2 dev ${name} src fd00:240::1`),
  ]);
}

function addOutside(): void {
  batch('node', [
    'addr add 192.0.2.1/24 dev ext',
    'addr add 2001:db8::1/64 dev ext nodad',
    'route add 198.51.100.10 dev ext',
  ]);
  batch('ext', [
    'addr add 192.0.2.10/24 dev eth0',
    'addr add 198.51.100.10/32 dev eth0',
    'addr add 2001:db8::10/64 dev eth0 nodad',
    'route add default via 192.0.2.1',
    'route add default via 2001:db8::1',
  ]);
}

function batch(name: string, commands: readonly string[]): void {
  run('ip', [...(name === 'node' ? [] : ['-n', name]), '-batch', '-'], `${commands.join('\n')}\n`);
}

export function run(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr.slice(0, 2000)}`);
  return stdout;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
