/** A client that sends requests at a steady rate, each on a connection of its own or on kept ones, and counts what fails. */
import { Agent, get } from 'node:http';

export interface Load {
  /** Ends it; resolves when every request has been answered or has failed. */
  stop(): Promise<LoadResult>;
  readonly sent: number;
}

export interface LoadResult {
  readonly sent: number;
  /** By what went wrong. */
  readonly failures: ReadonlyMap<string, number>;
  /** Answers, by body. */
  readonly answers: ReadonlyMap<string, number>;
}

const TIMEOUT_MS = 20_000;

export function startLoad(
  port: number,
  { perSecond, keepsConnections }: { perSecond: number; keepsConnections: boolean },
): Load {
  const agent = new Agent({ keepAlive: keepsConnections, maxSockets: 64 });
  const failures = new Map<string, number>();
  const answers = new Map<string, number>();
  const open = new Set<Promise<void>>();
  const beganMs = performance.now();
  let sent = 0;
  const send = (): void => {
    sent += 1;
    const request = ask(port, agent).then(
      (body) => void answers.set(body, (answers.get(body) ?? 0) + 1),
      (error: Error) => void failures.set(error.message, (failures.get(error.message) ?? 0) + 1),
    );
    const done = request.finally(() => open.delete(done));
    open.add(done);
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - beganMs) / 1000) * perSecond;
    for (let missing = Math.floor(due) - sent; missing > 0; missing -= 1) send();
  }, 5);
  return {
    get sent() {
      return sent;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
      agent.destroy();
      return { sent, failures, answers };
    },
  };
}

/** The body of a 200; an error for everything else. */
export function ask(port: number, agent: Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent, timeout: TIMEOUT_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`status ${response.statusCode}`)),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
  });
}
