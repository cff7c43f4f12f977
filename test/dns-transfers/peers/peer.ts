/** A DNS server from Debian, in a folder of its own, on a port of its own on loopback. */
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '../../dns/dns-harness.ts';

export const KEY = {
  name: 'transfer.example',
  algorithm: 'hmac-sha256',
  secret: 'c2lnbmFsYm94LXRlc3Qtc2lnbmFsYm94LXRlc3QhIQ==',
};
export const KEY_FILE = `key "${KEY.name}" { algorithm ${KEY.algorithm}; secret "${KEY.secret}"; };\n`;

/** What every knotd here has in its configuration. */
export function knotBase(port: number, secret = KEY.secret): string {
  return `
server:
  rundir: "@DIR@"
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "@DIR@"
log:
  - target: stderr
    any: info
key:
  - id: ${KEY.name}
    algorithm: ${KEY.algorithm}
    secret: "${secret}"`;
}

/** What every named here has in its configuration. */
export function bindBase(port: number, secret = KEY.secret): string {
  return `
options {
  directory "@DIR@"; pid-file none; session-keyfile "@DIR@/session.key"; managed-keys-directory "@DIR@";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; allow-query { any; };
};
controls { };
key "${KEY.name}" { algorithm ${KEY.algorithm}; secret "${secret}"; };`;
}

export interface Peer {
  readonly port: number;
  /** What it has said so far. */
  readonly output: () => string;
  stop(): Promise<void>;
}

interface PeerDefinition {
  /** In both, its folder replaces `@DIR@`. */
  readonly command: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

/** Runs until stopped, on this port; resolves when it answers on its port. */
export async function startPeer(port: number, { command, files }: PeerDefinition): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-peer-'));
  const inFolder = (text: string) => text.replaceAll('@DIR@', folder);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), inFolder(text));
  const [program = '', ...args] = command.map(inFolder);
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    child.kill('SIGKILL');
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitFor(async () => child.exitCode === null && (await isAnswering(port)), `${program} to answer`);
  } catch (error) {
    await stop();
    throw new Error(output, { cause: error });
  }
  return { port, output: () => output, stop };
}

async function isAnswering(port: number): Promise<boolean> {
  const { stdout } = await digText(port, ['+time=1', '+tries=1', 'cluster.local', 'SOA']).catch(() => ({ stdout: '' }));
  return stdout.includes('status:');
}

/** Every record of a zone but its SOA as `NAME TTL CLASS TYPE DATA`, sorted; empty when it is not to be had. */
export async function zoneLines(port: number, zone = 'cluster.local', options: string[] = []): Promise<string[]> {
  const { stdout } = await digText(port, ['+noall', '+answer', '+onesoa', ...options, zone, 'AXFR']);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
  return lines
    .map((line) => line.split(/\s+/).join(' '))
    .filter((line) => !line.includes(' IN SOA '))
    .sort();
}

export async function serialOf(port: number, zone = 'cluster.local'): Promise<number> {
  const { stdout } = await digText(port, ['+short', zone, 'SOA']);
  return Number(stdout.split(' ')[2]);
}

export async function digText(port: number, args: readonly string[]): Promise<{ stdout: string }> {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  return await promisify(execFile)('dig', ['@127.0.0.1', '-p', `${port}`, ...args], options);
}

/** A port that nobody has, for UDP and TCP; another process could still be faster. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const udp = createSocket('udp4');
    const isFree = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false));
      udp.bind(port, '127.0.0.1', () => resolve(true));
    });
    udp.close();
    tcp.close();
    await once(tcp, 'close');
    if (isFree) return port;
  }
}
