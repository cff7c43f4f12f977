/** Three replicas of a worker as processes, on a real nats-server, under churn: killed, paused, stopped. */
import { join } from 'node:path';
import { type DerivedMessage, type RecordSet, type Watermark, watermarkSubject } from '@signalbox/contracts';
import { DEFAULT_DNS_TTL_SECONDS, dnsWorker } from '@signalbox/dns-worker';
import { type EventLog, type LogMessage, openJetStreamEventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, startWorkers } from '@signalbox/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pick, seededRandom } from '../harness/cluster-changes.ts';
import { derivedState, snapshot } from '../harness/derived.ts';
import { Tail } from '../harness/event-log-tail.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { aCluster, aService, aSlice, tombstoneOf, upsertOf } from '../harness/objects.ts';
import { ROOT, type RunningProcess, startProcess } from '../harness/signalbox.ts';

const missing = natsServerMissing();
const POLL = { timeout: 60_000, interval: 100 };
const LEASE_SECONDS = 2;
const SERVICES = Array.from({ length: 150 }, (_, i) => `s${i}`);
const logger = createLogger({ component: 'test', level: 'silent' });

describe.skipIf(missing !== undefined)(
  `replicas${missing === undefined ? '' : ` (${missing})`}`,
  { timeout: 240_000 },
  () => {
    let nats: NatsServer;
    let log: EventLog;
    const running = new Set<RunningProcess>();

    beforeAll(async () => {
      nats = await startNatsServer();
      log = await openJetStreamEventLog({ servers: nats.url, name: 'test', maxBytes: 64 * 1024 ** 2 });
    });
    afterAll(async () => {
      await log?.close();
      for (const each of running) {
        each.child.kill('SIGCONT');
        await each.stop();
      }
      await nats?.stop();
    });

    function launch(): RunningProcess {
      const entry = [join(ROOT, 'services/dns-worker/dist/main.js'), '--health-listen', '127.0.0.1:0'];
      const started = startProcess(entry, { SIGNALBOX_NATS: nats.url, SIGNALBOX_LEASE: String(LEASE_SECONDS) });
      running.add(started);
      return started;
    }

    async function partitionsOf(replica: RunningProcess): Promise<number> {
      const [, url = ''] = await replica.waitFor(/"health":"([^"]+)"/);
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^signalbox_worker_partitions\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
    }

    const partitions = async (...replicas: RunningProcess[]) =>
      (await Promise.all(replicas.map(partitionsOf))).sort((a, b) => a - b);

    async function converged(): Promise<void> {
      const { lastSequence } = await log.info('objects');
      const revision = async () => {
        const last = await log.last('derived', watermarkSubject('dns'));
        return last?.data ? (JSON.parse(last.data) as Watermark).revision : 0;
      };
      await expect.poll(revision, POLL).toBe(lastSequence);
      expect(contents((await derivedState(log)).documents)).toEqual(await derivedAlone(log));
    }

    test('killed, paused and stopped ones lose nothing, and publish nothing stale', async () => {
      const random = seededRandom(20_261_121);
      await log.appendAll('objects', [
        ...SERVICES.map((name) => upsertOf('eu', aService(name))),
        upsertOf('eu', aCluster('eu')),
      ]);
      const published = await new Tail(log, { from: 'snapshot' }, 'derived').caughtUp();
      let changes = 0;
      const churning = new AbortController();
      const churn = (async () => {
        while (!churning.signal.aborted) {
          changes += 1;
          await log.append('objects', randomChange(random, changes));
        }
      })();
      const [first, second, third] = [launch(), launch(), launch()];
      await expect.poll(() => partitions(first, second, third), POLL).toEqual([21, 21, 22]);

      first.child.kill('SIGKILL');
      running.delete(first);
      await expect.poll(() => partitions(second, third), POLL).toEqual([32, 32]);

      second.child.kill('SIGSTOP');
      await expect.poll(() => partitions(third), POLL).toEqual([64]);
      const whenResumed = (await log.info('derived')).lastSequence;
      second.child.kill('SIGCONT');
      await second.waitFor(/lost the lease/);
      await expect.poll(() => partitions(second, third), POLL).toEqual([32, 32]);

      await third.stop();
      running.delete(third);
      await expect.poll(() => partitions(second), POLL).toEqual([64]);

      churning.abort();
      await churn;
      await converged();
      const { lastSequence } = await log.info('derived');
      await published.reached(lastSequence);
      expect(changes).toBeGreaterThan(500);
      expect(lastSequence).toBeGreaterThan(whenResumed);
      expect(stepsBack(published.messages)).toEqual([]);
      await published.stop();
    });
  },
);

/** Each address is used once, so a document that comes back is seen. */
function randomChange(random: () => number, count: number) {
  const name = pick(random, SERVICES);
  const fate = random();
  if (fate < 0.1) return tombstoneOf('eu', aService(name));
  if (fate < 0.3) return upsertOf('eu', aService(name));
  return upsertOf('eu', aSlice(name, [`10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`]));
}

/** Documents and watermarks whose revision is below one that was published before for the same subject. */
function stepsBack(messages: readonly LogMessage[]): unknown[] {
  const highest = new Map<string, number>();
  return messages.flatMap(({ subject, sequence, data }) => {
    if (data === null) return [];
    const { revision } = JSON.parse(data) as DerivedMessage | Watermark;
    const before = highest.get(subject) ?? 0;
    highest.set(subject, Math.max(before, revision));
    return revision < before ? [{ subject, sequence, revision, before }] : [];
  });
}

/** As one worker alone derives it from what the log holds. */
async function derivedAlone(log: EventLog): Promise<Record<string, RecordSet>> {
  const fresh = openSqliteEventLog({ path: ':memory:' });
  const objects = (await snapshot(log, 'objects')).filter(({ data }) => data !== null);
  await fresh.appendAll(
    'objects',
    objects.map(({ subject, data }) => ({ subject, data })),
  );
  const worker = dnsWorker({ ttlSeconds: DEFAULT_DNS_TTL_SECONDS });
  const alone = await startWorkers({ log: fresh, logger, registry: createRegistry() }, [worker]);
  await alone.processAll();
  const result = contents((await derivedState(fresh)).documents);
  await alone.stop();
  await fresh.close();
  return result;
}

function contents(documents: Readonly<Record<string, DerivedMessage>>): Record<string, RecordSet> {
  return Object.fromEntries(Object.entries(documents).map(([key, { document }]) => [key, document as RecordSet]));
}
