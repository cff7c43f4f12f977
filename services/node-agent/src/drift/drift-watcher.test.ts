import { type DriftReport, type ProxyPlan, SignalboxError } from '@signalbox/contracts';
import { createLogger } from '@signalbox/kit';
import { expectedStates, type RenderOptions } from '@signalbox/rules';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { type DriftWatcher, type DriftWatcherOptions, type Expectation, openDriftWatcher } from './drift-watcher.ts';
import { compareKernelStates } from './kernel-comparison.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'nftables',
  families: ['IPv4'],
  clusterCIDRs: ['10.244.0.0/16'],
};
const WEB = aPlan({ name: 'web', clusterIPs: ['10.96.0.1'] });
const OTHER = aPlan({ name: 'other', clusterIPs: ['10.96.0.2'] });
const logger = createLogger({ component: 'test', level: 'silent' });

/** A kernel that does what the plans loaded into it say, and an agent that has programmed others. */
class Node {
  loaded: readonly ProxyPlan[] = [WEB];
  programmed: Expectation | undefined = { revision: 7, version: 1, plans: [WEB], options: OPTIONS };
  reads = 0;
  repairs = 0;
  readonly reports: DriftReport[] = [];
  /** Run when the kernel is read, before the answer. */
  onRead = (): void => {};
  repair = (): Promise<void> => {
    this.repairs += 1;
    if (this.programmed === undefined) return Promise.resolve();
    this.loaded = this.programmed.plans;
    this.programmed = { ...this.programmed, version: this.programmed.version + 1 };
    return Promise.resolve();
  };

  watch(parts: Partial<DriftWatcherOptions> = {}): DriftWatcher {
    watcher = openDriftWatcher({
      cluster: 'c1',
      owner: 'signalbox',
      compareKernel: async (wanted) => {
        this.reads += 1;
        this.onRead();
        return compareKernelStates(expectedStates(this.loaded, wanted.options), wanted, 'signalbox');
      },
      expected: () => this.programmed,
      repair: () => this.repair(),
      onReport: (report) => this.reports.push(report),
      logger,
      intervalMs: 60_000,
      ...parts,
    });
    return watcher;
  }
}

let watcher: DriftWatcher | undefined;
beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(async () => {
  await watcher?.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('a kernel that does what it should is reported as such', async () => {
  const node = new Node();
  await node.watch().check();
  expect(node.reports).toEqual([
    {
      cluster: 'c1',
      node: 'n1',
      backend: 'nftables',
      owner: 'signalbox',
      revision: 7,
      checkedAtMs: 1_000_000,
      differences: [],
      totals: { added: 0, missing: 0, changed: 0 },
      unreadable: 0,
      repaired: false,
      error: '',
    },
  ]);
  expect(node.repairs).toBe(0);
});

test('what differs is repaired, and reported as it was found', async () => {
  const node = new Node();
  node.loaded = [OTHER];
  const report = await node.watch().check();
  expect(report).toMatchObject({ repaired: true, error: '' });
  expect(report?.differences.map(({ service, what }) => [service, what])).toEqual(
    expect.arrayContaining([
      ['shop/web', 'missing'],
      ['shop/other', 'added'],
    ]),
  );
  expect(await watcher?.check()).toMatchObject({ totals: { added: 0, missing: 0, changed: 0 } });
  expect(node.repairs).toBe(1);
});

test('an observer never touches', async () => {
  const node = new Node();
  node.loaded = [];
  const { repair: _repair, ...observing } = { repair: undefined };
  const report = await openObserver(node, observing).check();
  expect(report).toMatchObject({ repaired: false, error: '' });
  expect(report?.totals.missing).toBeGreaterThan(0);
  expect(node.repairs).toBe(0);
});

function openObserver(node: Node, parts: Partial<DriftWatcherOptions>): DriftWatcher {
  watcher = openDriftWatcher({
    cluster: 'c1',
    owner: 'kube-proxy',
    compareKernel: async (wanted) =>
      compareKernelStates(expectedStates(node.loaded, wanted.options), wanted, 'kube-proxy'),
    expected: () => node.programmed,
    onReport: (report) => node.reports.push(report),
    logger,
    intervalMs: 60_000,
    ...parts,
  });
  return watcher;
}

test('a check during which something else was programmed says nothing, and is made again', async () => {
  const node = new Node();
  node.onRead = () => {
    node.programmed = { revision: 8, version: 2, plans: [WEB, OTHER], options: OPTIONS };
    node.onRead = () => {};
  };
  expect(await node.watch({ quietMs: 100 }).check()).toBeUndefined();
  expect(node.reports).toEqual([]);
  node.loaded = [WEB, OTHER];
  await vi.advanceTimersByTimeAsync(100);
  expect(node.reports).toMatchObject([{ revision: 8, differences: [] }]);
});

test('before anything is programmed there is nothing to compare with', async () => {
  const node = new Node();
  node.programmed = undefined;
  expect(await node.watch().check()).toBeUndefined();
  expect([node.reads, node.repairs]).toEqual([0, 0]);
});

test('a repair that does not last is made again by the timer only', async () => {
  const node = new Node();
  node.loaded = [];
  node.repair = () => {
    node.repairs += 1;
    return Promise.resolve();
  };
  node.watch({ quietMs: 10, minGapMs: 10 });
  expect(await watcher?.check()).toMatchObject({ repaired: false, error: expect.stringContaining('still differs') });
  for (let change = 0; change < 5; change += 1) {
    watcher?.noteChange();
    await vi.advanceTimersByTimeAsync(20);
  }
  expect(node.repairs).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(node.repairs).toBe(2);
});

test('a storm of changes by others costs one check when it is over, and few while it lasts', async () => {
  const node = new Node();
  node.watch({ quietMs: 1_000, minGapMs: 15_000 });
  for (let change = 0; change < 100; change += 1) {
    watcher?.noteChange();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(node.reads).toBe(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(node.reads).toBe(1);
  watcher?.noteChange();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(node.reads).toBe(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.reads).toBe(2);
});

test('a check is given up when something is programmed, and made again', async () => {
  const node = new Node();
  const compareKernel: DriftWatcherOptions['compareKernel'] = (wanted, signal) => {
    node.reads += 1;
    const compared = compareKernelStates(expectedStates(node.loaded, wanted.options), wanted, 'signalbox');
    if (node.reads > 1) return Promise.resolve(compared);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const checked = node.watch({ compareKernel }).check();
  await Promise.resolve();
  watcher?.noteProgrammed();
  expect([await checked, node.reports]).toEqual([undefined, []]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([node.reads, node.reports.length]).toEqual([2, 1]);
});

test('a kernel that cannot be read is reported, and not repaired', async () => {
  const node = new Node();
  const compareKernel = (): Promise<never> => Promise.reject(new SignalboxError('unavailable', 'nft: not installed'));
  const report = await node.watch({ compareKernel }).check();
  expect(report).toMatchObject({ error: 'nft: not installed', differences: [], repaired: false });
  expect(node.repairs).toBe(0);
});

test('a check that takes longer than the interval is followed by one, not by a queue', async () => {
  const node = new Node();
  const compareKernel: DriftWatcherOptions['compareKernel'] = async (wanted) => {
    node.reads += 1;
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    return compareKernelStates(expectedStates(node.loaded, wanted.options), wanted, 'signalbox');
  };
  node.watch({ compareKernel, intervalMs: 1_000 });
  await vi.advanceTimersByTimeAsync(31_000);
  expect(node.reads).toBe(3);
  const stopped = watcher?.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  await stopped;
  expect(node.reads).toBe(3);
});

test('the end does not wait for a kernel that takes long to read, and nothing is said of it', async () => {
  const node = new Node();
  const compareKernel: DriftWatcherOptions['compareKernel'] = (_wanted, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const checked = node.watch({ compareKernel }).check();
  await Promise.resolve();
  await watcher?.stop();
  expect([await checked, node.reports]).toEqual([undefined, []]);
});

test('a repair that fails is told with what is wrong', async () => {
  const node = new Node();
  node.loaded = [];
  node.repair = () => Promise.reject(new SignalboxError('unavailable', 'no memory'));
  const report = await node.watch().check();
  expect(report).toMatchObject({ repaired: false, error: 'not repaired: no memory' });
  expect(report?.totals.missing).toBeGreaterThan(0);
});

test('a report stays small, however much differs', async () => {
  const node = new Node();
  const many = Array.from({ length: 500 }, (_, index) =>
    aPlan({
      name: `web-${index}`,
      clusterIPs: [`10.96.${index >> 8}.${index & 255}`],
      ports: [
        aPort({ endpoints: Array.from({ length: 100 }, (_, host) => anEndpoint({ address: `10.244.1.${host}` })) }),
      ],
    }),
  );
  node.programmed = { revision: 7, version: 1, plans: many, options: OPTIONS };
  const report = await openObserver(node, {}).check();
  expect(report?.differences).toHaveLength(100);
  expect(report?.totals.missing).toBeGreaterThanOrEqual(500);
  expect(JSON.stringify(report).length).toBeLessThan(100_000);
});
