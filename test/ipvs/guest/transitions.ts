/** Rules that are loaded again and changed while connections are open. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Host, run } from './lab.ts';
import type { Probe, ProbeResult } from './messages.ts';

export interface TransitionOptions {
  readonly client: Host;
  readonly outside: Host;
  /** The script that was loaded. */
  readonly rules: string;
  readonly check: (name: string, problem: string | undefined) => void;
}

/** A service with three endpoints, and one that is deleted on the way. */
const KEPT = '10.96.1.1';
const DELETED = '10.96.1.2';
const NODE_PORT: Probe = { id: 'reload', proto: 'tcp', host: '10.240.0.1', port: 30_083, times: 6 };

export async function checkTransitions({ client, outside, rules, check }: TransitionOptions): Promise<void> {
  const [backend = ''] = JSON.parse(await client.open(KEPT, 80)) as string[];
  const isOpen = async (): Promise<string | undefined> => unlessEqual(await client.say('still there?'), 'still there?');

  const loading = load(rules);
  const [open, served] = await Promise.all([during(loading, isOpen), during(loading, () => servedOutside(outside))]);
  check('an open connection works while the rules are loaded again', open ?? (await isOpen()));
  check('new connections are served while the rules are loaded again', served);
  check('loading the rules again doubles no rule', unlessEqual(jumpsToServices(), 2));

  const changed = rules
    .split('\n')
    .filter((line) => !isGone(line, backend))
    .join('\n');
  await load(changed);
  check('a connection to an endpoint that was removed stays open', await isOpen());
  const others = (await client.probe(probeOf(KEPT))).backends;
  check(
    'an endpoint that was removed gets no new connections',
    unlessEqual(`${others.length} ${others.includes(backend)}`, '2 false'),
  );
  const deleted = await client.probe(probeOf(DELETED));
  check('a service that was deleted is not served', deleted.outcomes.includes('ok') ? 'met ok' : undefined);

  await load(rules);
  check('a connection stays open when its endpoint comes back', await isOpen());
  check('which then gets new connections', unlessEqual((await client.probe(probeOf(KEPT))).backends.length, 3));
  check('a service that comes back is served', unlessServed(await client.probe(probeOf(DELETED))));

  await client.close();
  await load(changed);
  const listed = run('ipvsadm', ['-Ln', '-t', `${KEPT}:80`]);
  check('an endpoint without connections is removed', listed.includes(backend) ? listed : undefined);
}

/** As rendered without one endpoint of the one service, and without the other service. */
function isGone(line: string, backend: string): boolean {
  const isOfDeleted = [`${DELETED}/`, `${DELETED}:80`, `${DELETED},`].some((text) => line.includes(` ${text}`));
  return isOfDeleted || line.startsWith(`-a -t ${KEPT}:80 -r ${backend} `);
}

/** The first problem that was found until the work was done; at least one look is taken. */
async function during(work: Promise<void>, look: () => Promise<string | undefined>): Promise<string | undefined> {
  const state = { isDone: false };
  const done = work.finally(() => {
    state.isDone = true;
  });
  let problem: string | undefined;
  do problem ??= await look();
  while (!state.isDone);
  await done;
  return problem;
}

async function load(script: string): Promise<void> {
  const child = spawn('sh', ['-s'], { stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.end(script);
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error(`the rules could not be loaded: exit code ${code}`);
}

async function servedOutside(outside: Host): Promise<string | undefined> {
  return unlessServed(await outside.probe(NODE_PORT));
}

function unlessServed({ outcomes }: ProbeResult): string | undefined {
  return unlessEqual(outcomes.join(), 'ok');
}

function unlessEqual<Value>(value: Value, expected: Value): string | undefined {
  return value === expected ? undefined : `${String(value)}, not ${String(expected)}`;
}

function jumpsToServices(): number {
  return run('iptables', ['-t', 'nat', '-S'])
    .split('\n')
    .filter((line) => line.endsWith('-j KUBE-SERVICES')).length;
}

function probeOf(host: string): Probe {
  return { id: host, proto: 'tcp', host, port: 80, times: 6 };
}
