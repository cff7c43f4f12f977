/**
 * A node, its pods and clients in network namespaces of their own, with real sockets in them. Needs root.
 *
 *     client 10.244.2.100 ───┐           ┌─── pods 10.244.1.11, 10.244.1.12
 *                            ├── node ───┤
 *     outside 192.0.2.10, .20┘ 10.240.0.1└─── (rules are loaded here)
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const ROLES = ['node', 'pods', 'client', 'outside'] as const;
export type Role = (typeof ROLES)[number];

export interface Probe {
  readonly from: Role;
  /** Address to connect from, where the role has several. */
  readonly source?: string;
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  readonly times?: number;
}

/** What `times` connections met, each value once, sorted. */
export interface ProbeResult {
  readonly outcomes: readonly string[];
  /** `address:port` that answered, as it sees itself. */
  readonly endpoints: readonly string[];
  /** Client addresses as the endpoints see them. */
  readonly sources: readonly string[];
}

/** Answers every TCP connection and UDP datagram with its own address and the peer's; TCP also echoes lines. */
const SERVER = `
  const net = require('node:net'), dgram = require('node:dgram');
  const [port, ...addresses] = process.argv.slice(1);
  const waits = addresses.map((address) => new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write(JSON.stringify([address, socket.remoteAddress]) + '\\n');
      socket.on('data', (data) => socket.write(data));
    });
    server.listen(Number(port), address, () => {
      const udp = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
      udp.on('message', (_, peer) => udp.send(JSON.stringify([address, peer.address]) + '\\n', peer.port, peer.address));
      udp.bind(Number(port), address, resolve);
    });
  }));
  Promise.all(waits).then(() => console.log('ready'));
`;

/**
 * Connects one after the other; prints one line of JSON. No answer within two seconds is a timeout: over IPv6 Linux notices
 * an ICMP error only with the second SYN, after one second, when the first one was answered within the connect call.
 */
const CLIENT = `
  const net = require('node:net'), dgram = require('node:dgram');
  const { protocol, host, port, times, source, firstPort } = JSON.parse(process.argv[1]);
  const tcp = () => new Promise((resolve) => {
    const socket = net.connect({ host, port, ...(source ? { localAddress: source } : {}) });
    const done = (value) => { socket.destroy(); resolve(value); };
    socket.setTimeout(2_000, () => done(['timeout']));
    socket.on('error', (error) => done([error.code]));
    socket.on('data', (data) => done(['ok', ...JSON.parse(data)]));
  });
  const udp = (from) => new Promise((resolve) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => done(['timeout']), 2_000);
    const done = (value) => { clearTimeout(timer); socket.close(); resolve(value); };
    socket.on('error', (error) => done([error.code]));
    socket.on('message', (data) => done(['ok', ...JSON.parse(data)]));
    socket.bind(from, () => socket.connect(port, host, () => socket.send('hello')));
  });
  (async () => {
    const all = [];
    for (let i = 0; i < times; i += 1) all.push(await (protocol === 'tcp' ? tcp() : udp(firstPort + i)));
    console.log(JSON.stringify(all));
  })();
`;

export class NetworkLab {
  readonly #prefix: string;
  readonly #children: ChildProcess[] = [];
  /** A datagram from a port that was used before belongs to a flow that is tracked, and goes where that goes. */
  #nextUdpPort = 10_000;

  constructor(name: string) {
    this.#prefix = `sb-${process.pid}-${name}`;
  }

  /** Everything is in place when this returns: addresses, routes, and servers that answer. */
  async open(): Promise<void> {
    for (const role of ROLES) this.#ip(`netns add ${this.namespaceOf(role)}`);
    for (const role of ROLES) this.run(role, ['ip', 'link', 'set', 'lo', 'up']);
    this.run('node', ['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    this.run('node', ['sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.icmp_ratelimit=0']);
    this.run('node', ['ip', 'addr', 'add', '10.240.0.1/32', 'dev', 'lo']);
    this.run('node', ['ip', 'addr', 'add', 'fd00:240::1/128', 'dev', 'lo']);
    this.#link('pods', '10.244.1', 'fd00:244:1', ['11', '12']);
    this.#link('client', '10.244.2', 'fd00:244:2', ['100']);
    this.#link('outside', '192.0.2', '2001:db8', ['10', '20']);
    // The kernel looks for a route before it rewrites what the node itself sends to a service.
    this.#ip(`-n ${this.namespaceOf('node')} route add default via 192.0.2.10`);
    this.#ip(`-n ${this.namespaceOf('node')} route add default via 2001:db8::10`);
    await this.#serve('pods', 8080, ['10.244.1.11', '10.244.1.12', 'fd00:244:1::11', 'fd00:244:1::12']);
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const role of ROLES) spawnSync('ip', ['netns', 'del', this.namespaceOf(role)]);
  }

  namespaceOf(role: Role): string {
    return `${this.#prefix}-${role}`;
  }

  /** Output of a program run in a role's namespace; throws with its complaint when it fails. */
  run(role: Role, command: readonly string[], input = ''): string {
    return runOrThrow('ip', ['netns', 'exec', this.namespaceOf(role), ...command], input);
  }

  async probe({ from, ...probe }: Probe): Promise<ProbeResult> {
    const { times = 24 } = probe;
    const argument = JSON.stringify({ ...probe, times, firstPort: this.#nextUdpPort });
    this.#nextUdpPort += times;
    const child = this.#spawnNode(from, CLIENT, [argument]);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const results = JSON.parse(line) as [string, string?, string?][];
    const column = (index: 0 | 1 | 2): string[] =>
      [...new Set(results.map((result) => result[index]).filter((value) => value !== undefined))].sort();
    return { outcomes: column(0), endpoints: column(1), sources: column(2) };
  }

  /** A TCP connection that stays open: sends a line and gives back the server's next one. */
  async connect(from: Role, host: string, port: number): Promise<(line: string) => Promise<string>> {
    const code = `const socket = require('node:net').connect(${port}, '${host}');
      socket.pipe(process.stdout); process.stdin.pipe(socket); socket.on('error', () => process.exit(1));`;
    const child = this.#spawnNode(from, code, []);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    await lines.next();
    return async (line) => {
      child.stdin.write(`${line}\n`);
      return (await lines.next()).value ?? 'closed';
    };
  }

  /** One UDP flow: each call sends a datagram from the same port and gives the address that answered, or `silence`. */
  async flow(from: Role, host: string, port: number): Promise<() => Promise<string>> {
    const code = `const socket = require('node:dgram').createSocket('${host.includes(':') ? 'udp6' : 'udp4'}');
      let timer; const done = (text) => { clearTimeout(timer); console.log(text); };
      socket.on('message', (data) => done(JSON.parse(data)[0])); socket.on('error', (error) => done(error.code));
      process.stdin.on('data', () => { timer = setTimeout(() => done('silence'), 1000); socket.send('hello', ${port}, '${host}'); });
      socket.bind(0, () => console.log('ready'));`;
    const child = this.#spawnNode(from, code, []);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    await lines.next();
    return async () => {
      child.stdin.write('go\n');
      return (await lines.next()).value ?? 'closed';
    };
  }

  #spawnNode(role: Role, code: string, args: readonly string[]) {
    const command = ['netns', 'exec', this.namespaceOf(role), process.execPath, '-e', code, ...args];
    const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  async #serve(role: Role, port: number, addresses: readonly string[]): Promise<void> {
    const child = this.#spawnNode(role, SERVER, [`${port}`, ...addresses]);
    await once(createInterface(child.stdout), 'line');
  }

  /** The node's end of a link has host number 1 in both families. */
  #link(role: Role, v4: string, v6: string, hosts: readonly string[]): void {
    this.#ip(
      `-n ${this.namespaceOf('node')} link add ${role} type veth peer name eth0 netns ${this.namespaceOf(role)}`,
    );
    this.#ip(`-n ${this.namespaceOf('node')} link set ${role} up`);
    this.#ip(`-n ${this.namespaceOf(role)} link set eth0 up`);
    this.#ip(`-n ${this.namespaceOf('node')} addr add ${v4}.1/24 dev ${role}`);
    this.#ip(`-n ${this.namespaceOf('node')} addr add ${v6}::1/64 dev ${role} nodad`);
    for (const host of hosts) {
      this.#ip(`-n ${this.namespaceOf(role)} addr add ${v4}.${host}/24 dev eth0`);
      this.#ip(`-n ${this.namespaceOf(role)} addr add ${v6}::${host}/64 dev eth0 nodad`);
    }
    this.#ip(`-n ${this.namespaceOf(role)} route add default via ${v4}.1`);
    this.#ip(`-n ${this.namespaceOf(role)} route add default via ${v6}::1`);
  }

  #ip(command: string): void {
    runOrThrow('ip', command.split(' '), '');
  }
}

function runOrThrow(program: string, args: readonly string[], input: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr.slice(0, 2000)}`);
  return stdout;
}
