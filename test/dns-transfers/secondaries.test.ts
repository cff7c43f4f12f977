/** Real secondaries: they take the zone, follow each change by NOTIFY and IXFR, signed, and end with the same records. */
import { afterEach, describe, expect } from 'vitest';
import { waitFor } from '../dns/dns-harness.ts';
import { programTest } from '../harness/programs.ts';
import { freePort, KEY, serialOf, zoneLines } from './peers/peer.ts';
import { startBind, startKnot, startNsd } from './peers/secondaries.ts';
import { aTransferLab, cleaned, cleanUp, transferCount, waitForSerial } from './transfer-lab.ts';

afterEach(cleanUp);

const SECONDARIES = [
  ['knotd', startKnot],
  ['named', startBind],
  ['nsd', startNsd],
] as const;

const ANOTHER_SECRET = Buffer.from('another secret of some length').toString('base64');

describe.each(SECONDARIES)('a secondary', (program, startSecondary) => {
  const aPair = async ({ secret = KEY.secret } = {}) => {
    const port = await freePort();
    const lab = await aTransferLab({ notify: [`cluster.local=127.0.0.1:${port},key=${KEY.name}`] });
    await lab.services.create(200);
    await waitFor(() => lab.server.readiness().isReady, 'our server to be ready');
    return { lab, secondary: await cleaned(startSecondary({ port, primaryPort: lab.port, secret })) };
  };

  programTest(program, 'follows a thousand changes by NOTIFY and IXFR', async () => {
    const { lab, secondary } = await aPair();
    await waitForSerial(secondary, lab.services.revision);
    for (let round = 0; round < 40; round += 1) {
      await lab.services.change(25);
      await waitForSerial(secondary, lab.services.revision);
    }
    const whole = await transferCount(lab, 'whole');
    const lines = await zoneLines(secondary.port);
    expect(lines).toEqual(await lab.lines());
    expect(lines.length).toBeGreaterThan(50);
    // One at first, one because no delta starts from the state found at start.
    expect(whole).toBeLessThanOrEqual(2);
    expect(await transferCount(lab, 'incremental')).toBeGreaterThanOrEqual(38);
  });

  programTest(program, 'takes the whole zone again when our server has lost its history', async () => {
    const { lab, secondary } = await aPair();
    await lab.services.change(10);
    await waitForSerial(secondary, lab.services.revision);
    await lab.server.stop();
    await lab.services.change(10);
    const again = await lab.restart();
    await waitForSerial(secondary, lab.services.revision);
    expect(await transferCount(again, 'incremental')).toBe(0);
    expect(await transferCount(again, 'whole')).toBe(1);
    expect(await zoneLines(secondary.port)).toEqual(await again.lines());
  });

  programTest(program, 'with another secret gets nothing', async () => {
    const { lab, secondary } = await aPair({ secret: ANOTHER_SECRET });
    await waitFor(async () => (await lab.registry.metrics()).includes('rcode="NOTAUTH"'), 'a request to be refused');
    expect(await transferCount(lab, 'whole')).toBe(0);
    expect(await serialOf(secondary.port)).toBeNaN();
  });
});
