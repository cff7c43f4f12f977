/** The first program of the virtual machine: builds the lab, loads the rules, sends the probes, tells what came of them. */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { checkAgent } from './agent.ts';
import { buildNetwork, type Host, openHosts, run } from './lab.ts';
import { listingsOf } from './listings.ts';
import type { ClientProbes, GuestMessage } from './messages.ts';
import { checkTransitions } from './transitions.ts';

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
  // One client after the other: two that take turns with a round-robin service would each meet half of its endpoints.
  for (const each of all) await sendProbes(each, hostOf(hosts, each.client));
  step('reading the rules back');
  for (const listing of listingsOf()) tell({ type: 'listing', listing });
  run('sh', ['/vm/rules4.sh']);
  step('changing rules under open connections');
  await checkTransitions({
    client: hostOf(hosts, 'client'),
    outside: hostOf(hosts, 'ext'),
    rules: readFileSync('/vm/rules4.sh', 'utf8'),
    check,
  });
  step('starting a node agent');
  await checkAgent(hostOf(hosts, 'client'), check);
  step('done');
  tell({ type: 'end' });
} catch (error) {
  tell({ type: 'end', error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
process.exit(0);

async function sendProbes({ probes }: ClientProbes, host: Host): Promise<void> {
  const [first] = probes;
  // The first connection through new rules waits for modules and caches, which emulation makes long.
  if (first !== undefined) await host.probe(first);
  for (const probe of probes) tell({ type: 'result', result: await host.probe(probe) });
}

function check(name: string, problem: string | undefined): void {
  tell({ type: 'check', name, ...(problem === undefined ? {} : { problem }) });
}

function hostOf(hosts: ReadonlyMap<string, Host>, name: string): Host {
  const host = hosts.get(name);
  if (host === undefined) throw new Error(`the lab has no host ${name}`);
  return host;
}

function step(text: string): void {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  tell({ type: 'step', text, uptimeSeconds: Number(uptime) });
}

function tell(message: GuestMessage): void {
  writeSync(output, `${JSON.stringify(message)}\n`);
}
