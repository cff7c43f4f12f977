/** The driver with a real HAProxy: what is decided is what runs. */
import { get as httpGet } from 'node:http';
import { afterEach, beforeEach, expect } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { programTest } from '../dns/programs.ts';
import {
  ackOf, aGroup, aTarget, freePort, type HaproxyWorld, openHaproxyWorld, putGroups, reportOf,
} from './haproxy-world.ts';
import { type Pod, startPod } from './load-balanced-pods.ts';

let world: HaproxyWorld;
const pods: Pod[] = [];
beforeEach(async () => { world = await openHaproxyWorld(); });
afterEach(async () => {
  await world.close();
  await Promise.all(pods.splice(0).map((pod) => pod.kill()));
});

async function pod(name: string): Promise<Pod> {
  const started = await startPod(name);
  pods.push(started);
  return started;
}
function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpGet({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.setEncoding('utf8');
      let body = '';
      response.on('data', (t: string) => { body += t; });
      response.on('end', () => resolve(body));
    });
    request.on('error', reject);
  });
}

programTest('haproxy', 'smoke', async () => {
  const [a, b] = [await pod('a'), await pod('b')];
  const port = await freePort();
  const driver = await world.startDriver();
  const target = (p: Pod, parts = {}) => aTarget(p.address, p.port, parts);
  const index = await putGroups(world.log, 'web', [aGroup('web', port, [target(a)])]);
  await waitFor('programmed', async () => (await reportOf(world.log, 'web', port))?.index === index);
  expect(await get(port)).toBe('a');
  const next = await putGroups(world.log, 'web', [aGroup('web', port, [target(a, { state: 'draining' }), target(b)])]);
  await waitFor('programmed', async () => (await reportOf(world.log, 'web', port))?.index === next);
  expect(await get(port)).toBe('b');
  await waitFor('healthy', async () => (await reportOf(world.log, 'web', port))?.targets.every((t) => t.health === 'healthy') === true);
  console.log(await reportOf(world.log, 'web', port), await ackOf(world.log), driver.state);
});
