import { setTimeout as sleep } from 'node:timers/promises';
import { openJetStreamEventLog } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { natsServerMissing, startNatsServer } from '../../../test/harness/nats-server.ts';
import { createLogger } from './logger.ts';
import { joinPatiently } from './patiently.ts';
import { Membership } from './shares/membership.ts';

const missing = natsServerMissing();

test.skipIf(missing !== undefined)(`who joins waits for a log that is away ${missing ?? ''}`, async () => {
  const nats = await startNatsServer();
  const log = await openJetStreamEventLog({
    servers: nats.url,
    name: 'test',
    maxBytes: 1024 ** 2,
    appendTimeoutMs: 300,
  });
  try {
    const logger = createLogger({ component: 'test', level: 'silent' });
    const settings = { group: 'dns', partitions: ['p1'], leaseMs: 60_000, onChange: () => {} };
    const membership = new Membership({ log, logger, ...settings });
    await nats.kill();
    await expect.poll(() => log.state).toBe('disconnected');
    // Once, to see that it is refused: a process that has just started would end with this.
    await expect(membership.join()).rejects.toMatchObject({ code: 'unavailable' });
    const joining = joinPatiently(membership);
    expect(await Promise.race([joining.then(() => 'joined'), sleep(0, 'waiting')])).toBe('waiting');
    await nats.restart();
    await joining;
    expect([membership.isValid, membership.members]).toEqual([true, [membership.id]]);
    await membership.leave();
  } finally {
    await log.close();
    await nats.stop();
  }
});
