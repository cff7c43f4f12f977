import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RenderOptions } from '@signalbox/rules';
import { expect, test, vi } from 'vitest';
import { aPlan } from '../../../../test/packets/a-plan.ts';
import { threadComparer } from './compare-in-thread.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'nftables',
  families: ['IPv4'],
  clusterCIDRs: [],
};
const PLANS = Array.from({ length: 450 }, (_, index) =>
  aPlan({ name: `web-${index}`, clusterIPs: [`10.96.${index >> 8}.${index & 255}`] }),
);
const never = new AbortController().signal;

/** A kernel whose tables are what a shell command prints. */
function kernel(command: string) {
  return threadComparer({ owner: 'signalbox', commandPrefix: ['sh', '-c', command] });
}

test('plans of any number come to the thread, and its findings come back', async () => {
  const { totals, unreadable } = await kernel('echo \'{"nftables":[]}\'')({ plans: PLANS, options: OPTIONS }, never);
  expect(unreadable).toBe(0);
  // Each service, and that its address is closed otherwise.
  expect(totals.missing).toBeGreaterThanOrEqual(2 * PLANS.length);
});

test('a kernel that cannot be read is told with the complaint of the program', async () => {
  const compared = kernel('echo nothing to see >&2; exit 1')({ plans: [], options: OPTIONS }, never);
  await expect(compared).rejects.toMatchObject({ code: 'unavailable', message: 'nft: nothing to see' });
});

test('a comparison that nobody waits for any more ends at once, and so does the program that it has run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-'));
  const file = join(folder, 'pid');
  try {
    const stopping = new AbortController();
    const compared = kernel(`echo $$ > ${file}; exec sleep 30`)({ plans: PLANS, options: OPTIONS }, stopping.signal);
    const ended = expect(compared).rejects.toMatchObject({ name: 'AbortError' });
    const pid = await vi.waitFor(() =>
      Number(/^\d+\n/.exec(readFileSync(file, 'utf8'))?.[0] ?? fail('not written yet')),
    );
    stopping.abort();
    await ended;
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function fail(why: string): never {
  throw new Error(why);
}
