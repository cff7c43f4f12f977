/** Real primaries that take our records by dynamic update: they end equal, and what is theirs stays. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect } from 'vitest';
import { waitFor } from '../dns/dns-harness.ts';
import { programTest } from '../harness/programs.ts';
import { temporaryFolder } from '../harness/signalbox.ts';
import { digText, freePort, KEY, KEY_FILE, type Peer, zoneLines } from './peers/peer.ts';
import { FOREIGN_LINES, startBindPrimary, startKnotPrimary } from './peers/primaries.ts';
import { aTransferLab, cleaned, cleanUp, DIG_KEY, type TransferLab } from './transfer-lab.ts';

afterEach(cleanUp);

const PRIMARIES = [
  ['knotd', startKnotPrimary],
  ['named', startBindPrimary],
] as const;

const aPush = (port: number): string => `cluster.local=127.0.0.1:${port},key=${KEY.name}`;

describe.each(PRIMARIES)('a primary', (program, startPrimary) => {
  programTest(program, 'has our records after a random history, and its own', async () => {
    const primary = await cleaned(startPrimary({ port: await freePort() }));
    const lab = await aTransferLab({ push: [aPush(primary.port)] });
    await lab.services.create(60);
    await waitForCopy(lab, primary);
    for (let round = 0; round < 10; round += 1) {
      await lab.services.change(10);
      await waitForCopy(lab, primary);
    }
    expect(await pushCount(lab, 'incremental')).toBeGreaterThanOrEqual(10);
    // At first, and once more because no delta starts from the state found at start.
    expect(await pushCount(lab, 'reconciled')).toBeLessThanOrEqual(2);
    expect(await pushCount(lab, 'failed')).toBe(0);
    expect(await lab.registry.metrics()).toMatch(/^signalbox_dns_push_skipped_names\{.*\} 1$/m);
  });

  programTest(program, 'is brought up to date after our server was away', async () => {
    const primary = await cleaned(startPrimary({ port: await freePort() }));
    const lab = await aTransferLab({ push: [aPush(primary.port)] });
    await lab.services.create(60);
    await waitForCopy(lab, primary);
    await lab.server.stop();
    await lab.services.change(100);
    await nsupdate(primary, [
      'update delete web-3.ns.svc.cluster.local.',
      'update add lost.cluster.local. 5 A 192.0.2.9',
    ]);
    const again = await lab.restart();
    await waitForCopy(again, primary, ['lost.cluster.local. 5 IN A 192.0.2.9']);
  });

  programTest(program, 'is found again after it was away', async () => {
    const port = await freePort();
    const lab = await aTransferLab({ push: [aPush(port)] });
    await lab.services.create(20);
    await waitFor(async () => (await pushCount(lab, 'failed')) > 1, 'pushes to fail');
    const primary = await cleaned(startPrimary({ port }));
    await waitForCopy(lab, primary);
  });

  programTest(program, 'is kept current by two replicas that never take each other back', async () => {
    const primary = await cleaned(startPrimary({ port: await freePort() }));
    const lab = await aTransferLab({ push: [aPush(primary.port)] });
    const other = await lab.replica();
    await lab.services.create(60);
    for (let round = 0; round < 10; round += 1) {
      await lab.services.change(10);
      await waitForCopy(lab, primary);
    }
    expect(await lab.lines()).toEqual(await other.lines());
  });

  programTest(program, 'is filled without being read as a whole', async () => {
    const primary = await cleaned(startPrimary({ port: await freePort(), isTransferable: false }));
    const lab = await aTransferLab({ push: [aPush(primary.port)] });
    await lab.services.create(20);
    await waitFor(async () => (await pushCount(lab, 'reconciled')) === 1, 'the push');
    expect(await addresses(primary.port, 'web-1')).toEqual(await addresses(lab.port, 'web-1'));
    expect(await addresses(primary.port, 'web-7')).toEqual(['192.0.2.7']);
    // A second time every name is there already.
    const again = await lab.restart();
    await again.services.change(20);
    const isSame = async (service: string) => {
      const [there, here] = await Promise.all([addresses(primary.port, service), addresses(again.port, service)]);
      return there.join() === here.join();
    };
    for (const service of ['web-1', 'web-2', 'web-3', 'web-4', 'web-5']) {
      await waitFor(() => isSame(service), `${service} to be the same`);
    }
  });
});

/** Until the primary has what is foreign to us, and all of ours that is not. */
async function waitForCopy(lab: TransferLab, primary: Peer, more: readonly string[] = []): Promise<void> {
  const expected = async (): Promise<string[]> => {
    const ours = (await lab.lines()).filter(isPushed);
    return [...ours, ...FOREIGN_LINES, ...more].sort();
  };
  const actual = async (): Promise<string[]> =>
    (await zoneLines(primary.port, 'cluster.local', DIG_KEY)).filter((line) => !isMarker(line));
  await waitFor(async () => (await actual()).join('\n') === (await expected()).join('\n'), 'the copy').catch(
    async () => {
      expect(await actual(), primary.output().slice(-3000)).toEqual(await expected());
    },
  );
}

function isPushed(line: string): boolean {
  return !/^(cluster\.local|ns\.dns\.cluster\.local|web-7\.ns\.svc\.cluster\.local)\. /.test(line);
}

function isMarker(line: string): boolean {
  return /^(signalbox\.)?_signalbox\./.test(line);
}

async function addresses(port: number, service: string): Promise<string[]> {
  const { stdout } = await digText(port, ['+short', `${service}.ns.svc.cluster.local`, 'A']);
  return stdout.trim().split('\n').sort();
}

async function nsupdate({ port }: Peer, lines: readonly string[]): Promise<void> {
  const folder = await temporaryFolder();
  try {
    await writeFile(join(folder.path, 'key'), KEY_FILE);
    const script = [`server 127.0.0.1 ${port}`, 'zone cluster.local', ...lines, 'send', ''].join('\n');
    await writeFile(join(folder.path, 'script'), script);
    await promisify(execFile)('nsupdate', ['-k', join(folder.path, 'key'), join(folder.path, 'script')]);
  } finally {
    await folder.remove();
  }
}

async function pushCount({ registry }: TransferLab, result: string): Promise<number> {
  const metrics = await registry.metrics();
  return Number(new RegExp(`^signalbox_dns_pushes_total{result="${result}"} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
}
