/** What a running HAProxy holds, asked of it over its socket with nothing of the driver's in between. */
import { connect } from 'node:net';

export function tellHaproxy(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.end(`${command}\n`));
    let answer = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    connection.once('close', () => resolve(answer));
    connection.once('error', reject);
  });
}

export interface RunningServer {
  readonly place: string;
  readonly weight: number;
  readonly state: 'ready' | 'drain';
}

/** Servers of a backend that get traffic or drain, in order of place. */
export async function runningServers(socket: string, backend: string): Promise<RunningServer[]> {
  const answer = await tellHaproxy(socket, `show servers state ${backend}`);
  const servers = answer.split('\n').flatMap((line): RunningServer[] => {
    const words = line.split(' ');
    const admin = Number(words[6]);
    // Of the bits, 1 is maintenance and 8 is drain.
    if (words[1] !== backend || (admin & 1) !== 0) return [];
    const state = (admin & 8) === 0 ? 'ready' : 'drain';
    return [{ place: `${words[4]}:${words[18]}`, weight: Number(words[7]), state }];
  });
  return servers.sort((a, b) => (a.place < b.place ? -1 : 1));
}

export async function slotsOf(socket: string, backend: string): Promise<number> {
  const answer = await tellHaproxy(socket, `show servers state ${backend}`);
  return answer.split('\n').filter((line) => line.split(' ')[1] === backend).length;
}

/** Of the worker, which changes at a reload. */
export async function workerPid(socket: string): Promise<number> {
  const answer = await tellHaproxy(socket, 'show info');
  return Number(/^Pid: (\d+)$/m.exec(answer)?.[1]);
}
