import { createLogger } from '@signalbox/kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Applier, ApplyRequest } from './applier.ts';
import { RulesSync, type SyncOutcome } from './rules-sync.ts';

/** An applier that does what the test says, when it says so: the port's second adapter. */
class HeldApplier implements Applier {
  readonly programmed = undefined;
  readonly backend = 'nftables';
  readonly requests: ApplyRequest[] = [];
  #settle: ((error?: Error) => void) | undefined;

  apply(request: ApplyRequest): Promise<{ skippedServices: string[] }> {
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve({ skippedServices: [] }) : reject(error));
    });
  }

  /** Ends the transaction under way; resolves when the sync has noticed. */
  async finish(error?: Error): Promise<void> {
    this.#settle?.(error);
    this.#settle = undefined;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** For each request: whether it is full, and which services it changes. */
  get seen(): unknown[] {
    return this.requests.map(({ isFull, changes }) => [isFull, changes.map(({ key }) => key.name)]);
  }

  async cleanup(): Promise<void> {}
  async close(): Promise<void> {}
}

let applier: HeldApplier;
let sync: RulesSync;
let outcomes: SyncOutcome[];
let stopping: AbortController;
let running: Promise<void>;

beforeEach(() => {
  applier = new HeldApplier();
  outcomes = [];
  const logger = createLogger({ component: 'test', level: 'silent' });
  sync = new RulesSync({ applier, logger, fullResyncMs: 60_000, onOutcome: (outcome) => outcomes.push(outcome) });
  stopping = new AbortController();
  running = sync.run(stopping.signal);
});
afterEach(async () => {
  stopping.abort();
  await applier.finish();
  await running;
});

async function queue(revision: number, ...names: string[]): Promise<void> {
  const changes = names.map((name) => ({
    key: { cluster: 'c1', namespace: 'shop', name },
    plan: undefined,
    changedAtMs: undefined,
  }));
  sync.queuePlans({ revision, changes });
  await new Promise((resolve) => setImmediate(resolve));
}

test('the first transaction is a full one, the later ones are what changed meanwhile', async () => {
  await queue(1, 'web');
  await queue(2, 'api', 'db');
  await queue(3, 'api');
  await applier.finish();
  await applier.finish();
  expect(applier.seen).toEqual([
    [true, ['web']],
    [false, ['api', 'db']],
  ]);
  expect(sync.state).toMatchObject({ revision: 3, error: '' });
});

test('a node alone programs nothing: the plans are not known yet', async () => {
  sync.queueNode({ name: 'node-a', addresses: [] });
  await new Promise((resolve) => setImmediate(resolve));
  expect([applier.seen, sync.queuedSinceMs]).toEqual([[], undefined]);
  await queue(1);
  expect(applier.requests).toMatchObject([{ node: { name: 'node-a' }, isFull: true }]);
});

test('a revision without a change for this node is reached without touching anything', async () => {
  await queue(1, 'web');
  await applier.finish();
  await queue(2);
  expect(applier.seen).toHaveLength(1);
  expect([sync.state.revision, outcomes.at(-1)?.kind]).toEqual([2, 'none']);
});

test('a failure keeps the revision, is told, and is followed by a full transaction', async () => {
  await queue(1, 'web');
  await applier.finish();
  await queue(2, 'api');
  await applier.finish(new Error('nft: no'));
  expect(sync.state).toMatchObject({ revision: 1, error: 'nft: no' });
  expect(sync.queuedSinceMs).toBeDefined();
  await expect
    .poll(() => applier.seen)
    .toEqual([
      [true, ['web']],
      [false, ['api']],
      [true, []],
    ]);
  await applier.finish();
  expect(sync.state).toMatchObject({ revision: 2, error: '' });
  expect(sync.queuedSinceMs).toBeUndefined();
});

test('a change waits from when it came until it is applied', async () => {
  await queue(1, 'web');
  await applier.finish();
  await queue(2, 'web');
  expect(sync.queuedSinceMs).toBeLessThanOrEqual(Date.now());
  await applier.finish();
  expect(sync.queuedSinceMs).toBeUndefined();
});

test('the first transaction may take its time, unless it fails', async () => {
  const before = Date.now();
  await queue(1, 'web');
  expect(sync.queuedSinceMs).toBeUndefined();
  await applier.finish(new Error('nft: no'));
  expect(sync.queuedSinceMs).toBeGreaterThanOrEqual(before);
});

test('what a failed transaction tried is told when it is in', async () => {
  await queue(1, 'web');
  await applier.finish(new Error('nft: no'));
  await queue(2, 'api');
  await expect.poll(() => applier.seen).toHaveLength(2);
  await applier.finish();
  expect(outcomes.map(({ changes }) => changes.map(({ key }) => key.name))).toEqual([[], ['web', 'api']]);
});

test('a repair programs everything, and is done when that is in', async () => {
  await queue(1, 'web');
  await applier.finish();
  const repaired = sync.repair();
  await new Promise((resolve) => setImmediate(resolve));
  expect(applier.seen.at(-1)).toEqual([true, []]);
  await applier.finish();
  await repaired;
});

test('a repair that fails says why, and one after the end does not wait for ever', async () => {
  await queue(1, 'web');
  await applier.finish();
  const failing = expect(sync.repair()).rejects.toThrow('nft: no');
  await new Promise((resolve) => setImmediate(resolve));
  await applier.finish(new Error('nft: no'));
  await failing;
  stopping.abort();
  await running;
  await expect(sync.repair()).rejects.toMatchObject({ code: 'unavailable' });
});

test('a service that changes again while another transaction is under way has waited since the first change', async () => {
  const key = { cluster: 'c1', namespace: 'shop', name: 'web' };
  await queue(1);
  for (const changedAtMs of [5, 9]) sync.queuePlans({ revision: 2, changes: [{ key, plan: undefined, changedAtMs }] });
  await applier.finish();
  await applier.finish();
  expect(outcomes.at(-1)?.changes).toMatchObject([{ key, changedAtMs: 5 }]);
});
