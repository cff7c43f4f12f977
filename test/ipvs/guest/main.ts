/** The first program of the virtual machine: builds the lab, loads the rules, sends the probes, tells what came of them. */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { buildNetwork, openHosts, run } from './lab.ts';
import type { ClientProbes, GuestMessage } from './messages.ts';

const output = openSync('/dev/ttyS1', 'w');

try {
  step('building the network');
  buildNetwork();
  const opening = openHosts();
  step('loading the rules');
  for (const script of ['/vm/rules4.sh', '/vm/rules6.sh']) run('sh', [script]);
  step('starting the hosts');
  const hosts = await opening;
  step('sending probes');
  const all = JSON.parse(readFileSync('/vm/probes.json', 'utf8')) as ClientProbes[];
  const sending = all.map(async ({ client, probes }) => {
    const send = hosts.get(client);
    if (send === undefined) throw new Error(`the lab has no host ${client}`);
    for (const probe of probes) tell({ type: 'result', result: await send(probe) });
  });
  await Promise.all(sending);
  step('loading the rules again');
  for (const script of ['/vm/rules4.sh', '/vm/rules6.sh']) run('sh', [script]);
  tell({ type: 'end' });
} catch (error) {
  tell({ type: 'end', error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
process.exit(0);

function step(text: string): void {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  tell({ type: 'step', text, uptimeSeconds: Number(uptime) });
}

function tell(message: GuestMessage): void {
  writeSync(output, `${JSON.stringify(message)}\n`);
}
