/**
 * `h2load` of nghttp2 as a load generator of its own: HTTP/1.1 at a steady rate, half of the requests on connections that
 * are kept, half on a connection each. It counts whatever is not answered with a 2xx. A run is short, and another one
 * follows until it is told to stop: what ends a run is a number of requests.
 */
import { spawn } from 'node:child_process';

export interface SteadyLoad {
  /** Resolves when the runs under way have ended. */
  stop(): Promise<SteadyResult>;
}

export interface SteadyResult {
  readonly total: number;
  readonly succeeded: number;
  /** What it printed of runs in which not all succeeded. */
  readonly complaints: readonly string[];
}

const CLIENTS = 10;
const SECONDS = 2;

export function startSteadyLoad(port: number, perSecond: number): SteadyLoad {
  const url = `http://127.0.0.1:${port}/`;
  const each = perSecond / 2;
  const count = Math.round(each * SECONDS);
  const kept = ['-c', `${CLIENTS}`, `--rps=${each / CLIENTS}`, '-n', `${count}`];
  const single = ['-c', `${count}`, '-r', `${each}`, '-n', `${count}`];
  const state = { isStopped: false };
  const loops = [kept, single].map((flags) => repeat(['--h1', ...flags, url], state));
  return {
    stop: async () => {
      state.isStopped = true;
      const runs = (await Promise.all(loops)).flat();
      return {
        total: runs.reduce((sum, { total }) => sum + total, 0),
        succeeded: runs.reduce((sum, { succeeded }) => sum + succeeded, 0),
        complaints: runs.flatMap(({ total, succeeded, text }) => (succeeded === total ? [] : [text])),
      };
    },
  };
}

interface Run {
  readonly total: number;
  readonly succeeded: number;
  readonly text: string;
}

async function repeat(flags: readonly string[], state: { readonly isStopped: boolean }): Promise<Run[]> {
  const runs: Run[] = [];
  do runs.push(await runOnce(flags));
  while (!state.isStopped);
  return runs;
}

function runOnce(flags: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn('h2load', flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    }
    child.once('error', reject);
    child.once('close', () => {
      const total = Number(/^requests: (\d+) total/m.exec(text)?.[1]);
      const succeeded = Number(/^status codes: (\d+) 2xx/m.exec(text)?.[1]);
      if (Number.isNaN(total + succeeded)) reject(new Error(`h2load: ${text}`));
      else resolve({ total, succeeded, text });
    });
  });
}
