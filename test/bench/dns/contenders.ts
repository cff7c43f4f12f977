/** The servers that are compared: how each is started with the same zone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { accessSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import dnsPacket from 'dns-packet';
import { type AddressChange, DOMAIN } from './zone.ts';

export interface Contender {
  readonly program: string;
  readonly cores: number;
  /** Undefined when it is not installed. */
  start(): Promise<Running | undefined>;
}

interface Running {
  readonly port: number;
  memoryMiB(): number;
  /** Used so far. */
  cpuSeconds(): number;
  /** Gives a service another address; only ours does. */
  change(change: AddressChange): void;
  stop(): Promise<void>;
}

export function contenders(folder: string, services: number): Contender[] {
  const script = fileURLToPath(new URL('server-process.js', import.meta.url));
  const own = (program: string, cores: number, ...settings: string[]): Contender => {
    const args = (port: number) => [script, `${port}`, `${services}`, ...settings];
    return { program, cores, start: () => run(process.execPath, args, cores) };
  };
  const zone = join(folder, 'zone');
  const other = (program: string, path: string, argsFor: (setup: Setup) => string[], cores: number): Contender => {
    const args = (port: number) => argsFor({ folder, zone, port, cores });
    return { program, cores, start: () => run(path, args, cores) };
  };
  const others = (cores: number) => [
    other('nsd', '/usr/sbin/nsd', nsd, cores),
    other('knot', '/usr/sbin/knotd', knot, cores),
    other('bind', '/usr/sbin/named', bind, cores),
  ];
  return [
    own('signalbox', 1, 'batch', '1'),
    own('signalbox without native code', 1, 'dgram', '1'),
    own('dns-packet for each query', 1, 'dns-packet'),
    ...others(1),
    own('signalbox', 2, 'batch', '2'),
    own('signalbox without native code', 2, 'dgram', '2'),
    ...others(2),
  ];
}

interface Setup {
  readonly folder: string;
  readonly zone: string;
  readonly port: number;
  readonly cores: number;
}

async function run(program: string, argsFor: (port: number) => string[], cores: number): Promise<Running | undefined> {
  if (!exists(program)) return undefined;
  const port = await freePort();
  const args = argsFor(port);
  const child = spawn('taskset', ['-c', cores === 1 ? '0' : '0,1', program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const said: string[] = [];
  child.stderr?.on('data', (chunk) => said.push(String(chunk)));
  await untilAnswering(port, child).catch((cause) => {
    child.kill();
    throw new Error(`${program} does not answer: ${said.join('').slice(-500)}`, { cause });
  });
  return {
    port,
    memoryMiB: () => sumOfFamily(child.pid, residentMiB),
    cpuSeconds: () => sumOfFamily(child.pid, cpuSecondsOf),
    change: (change) => child.send(change),
    stop: async () => {
      child.kill();
      await once(child, 'exit');
    },
  };
}

function exists(program: string): boolean {
  try {
    accessSync(program);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

async function untilAnswering(port: number, child: ChildProcess): Promise<void> {
  const packet = dnsPacket.encode({
    type: 'query',
    id: 1,
    questions: [{ name: `service-0.team-0.svc.${DOMAIN}`, type: 'A' }],
  });
  const deadline = Date.now() + 60_000;
  while (child.exitCode === null && Date.now() < deadline) {
    const socket = createSocket('udp4');
    try {
      socket.send(packet, port, '127.0.0.1');
      const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(100) })) as [Buffer];
      if (dnsPacket.decode(message).answers?.length === 1) return;
    } catch {
      // Not yet listening, or not yet loaded.
    } finally {
      socket.close();
    }
  }
  throw new Error('timed out');
}

/** Over a process and those it started. */
function sumOfFamily(pid: number | undefined, measure: (pid: number) => number): number {
  if (pid === undefined) return 0;
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.reduce((sum, child) => sum + sumOfFamily(child, measure), measure(pid));
}

/** What several processes share counts in each. */
function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

function cpuSecondsOf(pid: number): number {
  // utime and stime are the 14th and 15th field; the 2nd, in brackets, may hold spaces. A hundred ticks a second.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function nsd({ folder, zone, port, cores }: Setup): string[] {
  const config = `server:
  ip-address: 127.0.0.1@${port}
  server-count: ${cores}
  username: ""
  pidfile: ""
  zonesdir: "${folder}"
  xfrdfile: "${folder}/xfrd"
  zonelistfile: "${folder}/zones.list"
  database: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: ${DOMAIN}
  zonefile: ${zone}
`;
  return ['-d', '-c', written(folder, 'nsd.conf', config)];
}

function knot({ folder, zone, port, cores }: Setup): string[] {
  const config = `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
  udp-workers: ${cores}
database:
  storage: ${folder}/knot
zone:
  - domain: ${DOMAIN}
    file: ${zone}
    zonefile-sync: -1
    journal-content: none
`;
  return ['-c', written(folder, 'knot.conf', config)];
}

function bind({ folder, zone, port, cores }: Setup): string[] {
  const config = `options {
  directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
};
controls { };
zone "${DOMAIN}" { type primary; file "${zone}"; };
`;
  return ['-g', '-n', `${cores}`, '-c', written(folder, 'named.conf', config)];
}

function written(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
