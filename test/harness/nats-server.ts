/** A real nats-server with JetStream for tests: on loopback, on a port and a store of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface NatsServerOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** Default: a new folder, removed by `stop`. */
  readonly storeDir?: string;
  /** Text of a configuration file: authorization, TLS, cluster. */
  readonly config?: string;
  /** Files that it includes, by name. */
  readonly included?: Readonly<Record<string, string>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Default true. */
  readonly hasJetStream?: boolean;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number | undefined;
  readonly storeDir: string;
  /** Ends the server for good. Idempotent. */
  stop(): Promise<void>;
  /** Ends it as a crash would (SIGKILL); the store stays. */
  kill(): Promise<void>;
  /** Starts it again after `kill`: same port, same store. */
  restart(): Promise<void>;
  /** Another configuration, from the next start on. */
  configure(config: string): void;
}

const START_TIMEOUT_MS = 15_000;

/** Why no server can be started here; undefined when one can. In CI a missing program fails the tests instead. */
export function natsServerMissing(): string | undefined {
  if (process.env.CI || spawnSync('nats-server', ['--version']).status === 0) return undefined;
  return 'nats-server is not on the PATH';
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const runDir = await mkdtemp(join(tmpdir(), 'signalbox-nats-'));
  const storeDir = options.storeDir ?? join(runDir, 'store');
  let child: ChildProcess | undefined;
  let port = options.port ?? -1;
  let { config } = options;

  for (const [name, text] of Object.entries(options.included ?? {})) await writeFile(join(runDir, name), text);

  async function start(): Promise<void> {
    // -1 lets the server choose a port, which it writes to a file in the folder.
    const jetStream = options.hasJetStream === false ? [] : ['--jetstream', '--store_dir', storeDir];
    const args = [...jetStream, '--addr', '127.0.0.1', '--port', String(port)];
    const configArgs = config === undefined ? [] : ['--config', await configFile(runDir, config)];
    child = spawn('nats-server', [...args, '--ports_file_dir', runDir, ...configArgs], {
      stdio: 'ignore',
      env: { ...process.env, ...options.env },
    });
    process.once('exit', killNow);
    port = await listeningPort(child, runDir);
  }

  function killNow(): void {
    child?.kill('SIGKILL');
  }

  async function kill(): Promise<void> {
    process.removeListener('exit', killNow);
    if (child === undefined) return;
    const ended = child;
    child = undefined;
    if (ended.exitCode !== null || ended.signalCode !== null) return;
    ended.kill('SIGKILL');
    await once(ended, 'exit');
  }

  async function stop(): Promise<void> {
    await kill();
    await rm(runDir, { recursive: true, force: true });
  }

  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return child?.pid;
    },
    storeDir,
    stop,
    kill,
    restart: start,
    configure: (text) => {
      config = text;
    },
  };
}

async function configFile(folder: string, text: string): Promise<string> {
  const path = join(folder, 'nats.conf');
  await writeFile(path, text);
  return path;
}

async function listeningPort(child: ChildProcess, runDir: string): Promise<number> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (failure !== undefined) throw new Error('cannot start nats-server', { cause: failure });
    if (child.exitCode !== null) throw new Error(`nats-server ended with code ${child.exitCode}`);
    const text = await readFile(join(runDir, `nats-server_${child.pid}.ports`), 'utf8').catch(() => '');
    const port = /"nats":\s*\[\s*"\w+:\/\/[^"]*:(\d+)"/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
    await sleep(20);
  }
  throw new Error(`nats-server did not listen within ${START_TIMEOUT_MS} ms`);
}
