/** Authoritative servers of other makers on loopback, each with one zone. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dig } from './dig.ts';

export interface NameServer {
  readonly port: number;
  stop(): Promise<void>;
}

type Kind = 'knotd' | 'nsd' | 'named';

/** A port that was free may be another's when the server takes it, or be free for UDP only. */
const PORT_ATTEMPTS = 5;

export async function startNameServer(
  kind: Kind,
  zone: string,
  text: string,
  wantedPort?: number,
): Promise<NameServer> {
  for (let attempt = 1; ; attempt += 1) {
    const server = await tryNameServer(kind, zone, text, wantedPort).catch((error: unknown) => {
      if (wantedPort !== undefined || attempt === PORT_ATTEMPTS) throw error;
    });
    if (server !== undefined) return server;
  }
}

async function tryNameServer(kind: Kind, zone: string, text: string, wantedPort?: number): Promise<NameServer> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-upstream-'));
  const port = wantedPort ?? (await freePort());
  await writeFile(join(folder, 'zone'), text);
  await writeFile(join(folder, 'conf'), CONFIGS[kind]({ folder, port, zone }));
  const child = spawn(
    kind,
    [...(kind === 'nsd' ? ['-d'] : []), ...(kind === 'named' ? ['-g'] : []), '-c', join(folder, 'conf')],
    {
      stdio: 'ignore',
    },
  );
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 20_000;
  while (!(await isAnswering(port, zone))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${kind} does not answer`);
    }
  }
  return { port, stop };
}

async function isAnswering(port: number, zone: string): Promise<boolean> {
  const [answer] = await dig(port, [{ name: zone, type: 'SOA' }], ['+time=1']).catch(() => []);
  return answer?.status === 'NOERROR';
}

export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly zone: string;
}

const CONFIGS: Record<Kind, (place: Place) => string> = {
  knotd: ({ folder, port, zone }) => `server:
  listen: 127.0.0.1@${port}
  rundir: ${folder}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${folder}/knot
zone:
  - domain: ${zone}
    file: ${folder}/zone
    zonefile-sync: -1
    journal-content: none
`,
  nsd: ({ folder, port, zone }) => `server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  username: ""
  pidfile: ""
  zonesdir: "${folder}"
  xfrdfile: "${folder}/xfrd"
  zonelistfile: "${folder}/zones.list"
  database: ""
remote-control:
  control-enable: no
zone:
  name: ${zone}
  zonefile: ${folder}/zone
`,
  named: ({ folder, port, zone }) => `options {
  directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
};
controls { };
zone "${zone}" { type primary; file "${folder}/zone"; };
`,
};
