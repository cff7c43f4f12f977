/** What a network keeps and delivers late, held against a real server: it must not bring back an older value. */

import { connect, type Msg } from '@nats-io/transport-node';
import { SoleWriter } from '@signalbox/kit';
import { describe, expect, test } from 'vitest';
import { entry } from '../harness/event-log-tail.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { openJetStreamPatiently } from '../harness/open-jetstream.ts';

const missing = natsServerMissing();

describe.skipIf(missing !== undefined)(`late copies${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('a copy of every append, delivered after the last one, changes nothing', async () => {
    const server = await startNatsServer();
    const log = await openJetStreamPatiently({ servers: server.url, name: 'test' });
    const network = await connect({ servers: server.url });
    try {
      const kept: Msg[] = [];
      const keeping = network.subscribe('signalbox.objects.>', { callback: (_, message) => void kept.push(message) });
      await network.flush();
      const writer = new SoleWriter({ log, stream: 'objects', unknown: 'absent' });
      for (const value of [1, 2, null, 3]) await writer.append([entry('a', value)]);
      await network.flush();
      keeping.unsubscribe();
      expect(kept).toHaveLength(4);
      const { lastSequence } = await log.info('objects');
      for (const { subject, data, headers } of kept) {
        const answer = await network.request(subject, data, { timeout: 5000, ...(headers && { headers }) });
        expect(answer.json()).toMatchObject({ error: { err_code: 10071 } });
      }
      expect((await log.info('objects')).lastSequence).toBe(lastSequence);
      expect((await log.last('objects', 'objects.a'))?.data).toBe('3');
    } finally {
      await network.close();
      await log.close();
      await server.stop();
    }
  });
});
