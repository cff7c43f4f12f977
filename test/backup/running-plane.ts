/** `signalbox up` on a data folder, for tests that stop it and start it again. */
import { join } from 'node:path';
import { CLI, ROOT, type RunningProcess, startProcess } from '../harness/signalbox.ts';

export interface RunningPlane {
  readonly process: RunningProcess;
  readonly api: string;
  get<Answer>(path: string): Promise<Answer>;
  put(path: string, spec: object): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
}

/** Ready when this resolves; on `examples/shop` unless manifests are named. */
export async function startPlaneOn(
  dataDir: string,
  { manifests = join(ROOT, 'examples/shop') }: { manifests?: string } = {},
): Promise<RunningPlane> {
  const source = ['--manifests', `shop=${manifests}`, '--data-dir', dataDir];
  const listen = ['--api-listen', '127.0.0.1:0', '--dns-listen', '127.0.0.1:0'];
  const process = startProcess([CLI, 'up', ...source, ...listen]);
  const [, api = ''] = await process.waitFor(/ready, API (\S+),/);
  return {
    process,
    api,
    async get<Answer>(path: string) {
      const response = await fetch(`${api}${path}`);
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as Answer;
    },
    async put(path, spec) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${api}${path}`, { method: 'PUT', headers, body: JSON.stringify(spec) });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    },
    stop: async () => (await process.stop()).code,
  };
}
