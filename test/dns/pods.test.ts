/** Names of Pods, from Pods in the log to answers. */
import { type PodObject, podObjectSchema } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import { expect } from 'vitest';
import { tombstoneOf, upsertOf } from '../harness/objects.ts';
import { programTest } from '../harness/programs.ts';
import { dig } from './dig.ts';
import { startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';

function aPod(name: string, podIP: string): PodObject {
  return podObjectSchema.parse({ kind: 'Pod', metadata: { namespace: 'shop', name }, status: { podIP } });
}

programTest('dig', 'sees the names of verified Pods come and go', async () => {
  const log = openSqliteEventLog({ path: ':memory:' });
  const namespace = { kind: 'Namespace', metadata: { name: 'shop' } } as const;
  await log.appendAll('objects', [upsertOf('shop', namespace), upsertOf('shop', aPod('web-0', '10.1.2.3'))]);
  await log.appendAll('derived', [watermarkEntry(1, { shop: { domain: 'cluster.local' } })]);
  await using lab = await startDnsLab({ pods: 'verified' }, log);
  const answersTo = async (name: string) => {
    const [answer] = await dig(lab.port, [{ name: `${name}.shop.pod.cluster.local`, type: 'A' }]);
    return answer?.status === 'NOERROR' ? answer.answer.map((line) => line.split(' ').at(-1)).join() : answer?.status;
  };

  await waitFor(() => lab.server.readiness().isReady, 'the server to be ready');
  // As soon as it is ready, and not only later.
  expect(await answersTo('10-1-2-3')).toBe('10.1.2.3');
  expect(await answersTo('10-1-2-4')).toBe('NXDOMAIN');
  await log.appendAll('objects', [
    upsertOf('shop', aPod('web-1', '10.1.2.4')),
    upsertOf('shop', aPod('web-2', '10.1.2.5')),
  ]);
  await waitFor(async () => (await answersTo('10-1-2-4')) === '10.1.2.4', 'the new Pod');
  await log.appendAll('objects', [tombstoneOf('shop', aPod('web-0', '')), upsertOf('shop', aPod('web-1', '10.1.2.9'))]);
  await waitFor(async () => (await answersTo('10-1-2-9')) === '10.1.2.9', 'the new address');
  expect(await answersTo('10-1-2-3')).toBe('NXDOMAIN');
  expect(await answersTo('10-1-2-4')).toBe('NXDOMAIN');
  expect(await answersTo('10-1-2-5')).toBe('10.1.2.5');
});
