/**
 * One host of the lab: serves echo servers and sends probes. A process of its own per network namespace.
 *
 *     host.js [tcp-port ...] [udp-address ...]      commands come as lines of JSON, an answer to each leaves as a line
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, isIP, isIPv6, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { HostCommand, Probe, ProbeResult } from './messages.ts';

type Outcome = readonly [outcome: string, backend?: string, source?: string];

const UDP_PORT = 5353;
/** Over IPv6 Linux tells of an ICMP error only with the second SYN, a second after the first; emulation takes its time. */
const TIMEOUT_MS = 4000;
const OUTCOMES: Readonly<Record<string, string>> = { ECONNREFUSED: 'refused', ETIMEDOUT: 'timeout' };

let held: Socket | undefined;

const given = process.argv.slice(2);
await Promise.all(given.map((each) => (isIP(each) === 0 ? serveTcp(Number(each)) : serveUdp(each))));
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await follow(JSON.parse(line) as HostCommand))}\n`);
}

async function follow(command: HostCommand): Promise<unknown> {
  if (command.type === 'probe') return await send(command.probe);
  if (command.type === 'close') return held?.destroy() === undefined;
  if (command.type === 'open') held = connect(command).on('error', () => {});
  else held?.write(command.text);
  return await nextData(held);
}

/** What comes next over the held connection, or how it ended. */
function nextData(socket: Socket | undefined): Promise<string> {
  return new Promise((resolve) => {
    if (socket === undefined || socket.destroyed) resolve('closed');
    socket?.setTimeout(TIMEOUT_MS, () => resolve('timeout'));
    socket?.once('data', (data) => resolve(data.toString()));
    socket?.once('close', () => resolve('closed'));
  });
}

async function serveTcp(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(JSON.stringify([`${plain(socket.localAddress)}:${socket.localPort}`, plain(socket.remoteAddress)]));
    socket.pipe(socket);
  });
  server.listen({ port, host: '::' });
  await once(server, 'listening');
}

async function serveUdp(address: string): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('message', (_, peer) => {
    socket.send(JSON.stringify([`${address}:${UDP_PORT}`, peer.address]), peer.port, peer.address);
  });
  socket.bind(UDP_PORT, address);
  await once(socket, 'listening');
}

/** One after the other; a client that is not served twice in a row is not asked further. */
async function send(probe: Probe): Promise<ProbeResult> {
  const met: Outcome[] = [];
  for (let time = 0; time < probe.times; time += 1) {
    const outcome = probe.proto === 'tcp' ? await askTcp(probe) : await askUdp(probe);
    met.push(outcome);
    if (outcome[0] !== 'ok' && time >= 1) break;
  }
  const column = (index: 0 | 1 | 2): string[] =>
    [...new Set(met.map((outcome) => outcome[index]).filter((value) => value !== undefined))].sort();
  return { id: probe.id, outcomes: column(0), backends: column(1), sources: column(2) };
}

function askTcp({ host, port, source }: Probe): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(source === undefined ? {} : { localAddress: source }) });
    const done = (...outcome: Outcome): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(TIMEOUT_MS, () => done('timeout'));
    socket.on('error', (error) => done(outcomeOf(error)));
    socket.on('data', (data) => done('ok', ...(JSON.parse(data.toString()) as [string, string])));
    socket.on('end', () => done('closed'));
  });
}

function askUdp({ host, port, source }: Probe): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    let isDone = false;
    const done = (...outcome: Outcome): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => done('timeout'), TIMEOUT_MS);
    socket.on('error', (error) => done(outcomeOf(error)));
    socket.on('message', (data) => done('ok', ...(JSON.parse(data.toString()) as [string, string])));
    socket.bind({ port: 0, ...(source === undefined ? {} : { address: source }) }, () => {
      socket.connect(port, host, () => socket.send('hello'));
    });
  });
}

function outcomeOf(error: NodeJS.ErrnoException): string {
  const code = error.code ?? 'error';
  return OUTCOMES[code] ?? code;
}

/** Servers listen in both families at once, and see IPv4 addresses mapped into IPv6. */
function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
