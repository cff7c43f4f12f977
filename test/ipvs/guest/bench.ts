/** The first program of the virtual machine for `npm run bench:ipvs`: one measurement after the other, each a process. */
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeSync } from 'node:fs';
import type { BenchAnswer, BenchRequest } from './messages.ts';

const output = openSync('/dev/ttyS1', 'w');
const requests = JSON.parse(readFileSync('/vm/requests.json', 'utf8')) as BenchRequest[];
// The first of a backend waits for the kernel's modules, which an agent does once.
for (const backend of new Set(requests.map((request) => request.backend)))
  measure({ backend, services: 1, changes: 1 });
for (const request of requests) writeSync(output, `${JSON.stringify(measure(request))}\n`);
process.exit(0);

function measure(request: BenchRequest): BenchAnswer {
  const { backend, services, changes } = request;
  // Without an address of its own a network has no unicast addresses, and IPVS takes no others.
  const command = `ip link set lo up && exec node /bench/rules-process.js ${backend} ${services} ${changes}`;
  const args = ['-n', 'sh', '-c', command];
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  return status === 0 ? { request, stdout } : { request, error: stderr || `ended with ${status}` };
}
