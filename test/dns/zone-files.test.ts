/** Zone files of the recorded cluster: what is in them, and whether the programs that would load them accept them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RecordSet } from '@signalbox/contracts';
import { assembleZones, type Zone, zoneFileText } from '@signalbox/zones';
import { describe, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { recordedRecordSets } from './recorded-cluster.ts';

const run = promisify(execFile);

const zones = recordedZones();

describe('zone files of the recorded cluster', () => {
  for (const zone of zones) {
    test(`${zone.name} is as before`, async () => {
      await expect(zoneFileText(zone)).toMatchFileSnapshot(`__snapshots__/${zone.name}zone`);
    });

    programTest('named-checkzone', `accepts ${zone.name}`, async () => {
      const { stdout } = await inFile(zone, (file) =>
        run('named-checkzone', ['-k', 'fail', '-n', 'fail', '-S', 'fail', '-r', 'fail', zone.name, file]),
      );
      expect(stdout.trim().split('\n')).toEqual([`zone ${zone.name.slice(0, -1)}/IN: loaded serial 42`, 'OK']);
    });

    programTest('kzonecheck', `accepts ${zone.name}`, async () => {
      const { stdout, stderr } = await inFile(zone, (file) => run('kzonecheck', ['-o', zone.name, file]));
      expect(`${stdout}${stderr}`).not.toMatch(/error|warning/i);
    });
  }
});

function recordedZones(recordSets: readonly RecordSet[] = recordedRecordSets()): Zone[] {
  const input = { domain: 'cluster.local', revision: 42, ttlSeconds: 30, serverAddresses: ['10.96.0.10'] };
  return assembleZones({ ...input, recordSets });
}

async function inFile<Result>(zone: Zone, use: (file: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-zone-'));
  try {
    const file = join(folder, 'zone');
    await writeFile(file, zoneFileText(zone));
    return await use(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
