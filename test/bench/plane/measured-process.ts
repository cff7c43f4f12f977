/** A service as a process of its own, and what it costs by the kernel's word. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from '../../harness/signalbox.ts';

/** Of Linux on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const SERVICES = fileURLToPath(new URL('../../../../services/', import.meta.url));

export interface MeasuredProcess {
  readonly name: string;
  readonly process: RunningProcess;
  /** Base of `/readyz` and `/metrics`. */
  healthUrl(): Promise<string>;
}

export function launchService(name: string, args: readonly string[], natsUrls: string): MeasuredProcess {
  const entry = [`${SERVICES}${name}/dist/main.js`, '--health-listen', '127.0.0.1:0', ...args];
  const process = startProcess(entry, { SIGNALBOX_NATS: natsUrls });
  return { name, process, healthUrl: async () => (await process.waitFor(/"health":"([^"]+)"/))[1] ?? '' };
}

export interface Cost {
  /** User and system, seconds since the start. */
  readonly cpuSeconds: number;
  /** Resident, at most so far. */
  readonly peakMiB: number;
}

/** Zeros for a process that has ended. */
export function costOf(pid: number | undefined): Cost {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; utime and stime are the 14th and 15th field.
    const [utime, stime] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpuSeconds: ((utime ?? 0) + (stime ?? 0)) / TICKS_PER_SECOND, peakMiB: Number(peak ?? 0) / 1024 };
  } catch {
    return { cpuSeconds: 0, peakMiB: 0 };
  }
}

export function sumOfCpu(processes: readonly MeasuredProcess[]): number {
  return processes.reduce((sum, { process }) => sum + costOf(process.child.pid).cpuSeconds, 0);
}
