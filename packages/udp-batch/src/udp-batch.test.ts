/** How receivers answer is tested with the DNS server, for both kinds; here is what only this one has. */
import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { expect, test } from 'vitest';
import { loadNative, type Native } from './native.ts';
import { addressOf, UdpBatch } from './udp-batch.ts';

const ANSWER_BYTES = 64;
const native = loadNative();
/** Skipped where it could not be built, as on machines without a compiler; CI has one, and fails. */
const nativeTest = typeof native === 'string' && !process.env.CI ? test.skip : test;

test.for([
  ['IPv4', [2, 0, 0x1f, 0x90, 192, 0, 2, 1], { address: '192.0.2.1', port: 8080 }],
  [
    'IPv6',
    [10, 0, 0, 53, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    { address: '2001:db8:0:0:0:0:0:1', port: 53 },
  ],
] as const)('the address of an %s sender', ([, bytes, expected]) => {
  const peer = new Uint8Array(28);
  peer.set(bytes);
  expect(addressOf(peer)).toEqual(expected);
});

nativeTest('lengths that no answer can have are not sent', async () => {
  const lengths = [ANSWER_BYTES + 1, -1, 2 ** 31 - 1, Number.NaN, ANSWER_BYTES];
  await using lab = await aLab(() => lengths.shift() ?? 0);
  for (let sent = 0; sent < 5; sent += 1) lab.client.send('x');
  const [message] = (await once(lab.client, 'message')) as [Buffer];
  expect(message.length).toBe(ANSWER_BYTES);
  expect(lengths).toEqual([]);
});

nativeTest('closing in the midst of a batch, and twice, and sending afterwards', async () => {
  const closing = new EventEmitter();
  let packets = 0;
  await using lab = await aLab(() => {
    packets += 1;
    lab.batch.close();
    closing.emit('closed');
    return 1;
  });
  const closed = once(closing, 'closed');
  for (let sent = 0; sent < 5; sent += 1) lab.client.send('x');
  await closed;
  lab.batch.close();
  expect(lab.batch.send(new Uint8Array(28), new Uint8Array(1))).toBe(false);
  expect(packets).toBe(1);
});

nativeTest('nobody can be sent to who is no sender', async () => {
  await using lab = await aLab(() => 0);
  const message = new Uint8Array(10);
  expect(lab.batch.send(new Uint8Array(28), message)).toBe(false);
  expect(lab.batch.send(new Uint8Array(4), message)).toBe(false);
});

nativeTest('many packets of random lengths, without more memory', { timeout: 60_000 }, async () => {
  let last = '';
  await using lab = await aLab(({ data, length }) => {
    last = String(data[length - 1]);
    return length % ANSWER_BYTES;
  });
  const flood = async () => {
    for (let sent = 0; sent < 20_000; sent += 1) {
      lab.client.send(Buffer.alloc(1 + ((sent * 7919) % 5000), sent & 255));
      if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await flood();
  const before = process.memoryUsage().arrayBuffers;
  await flood();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20);
  expect(last).not.toBe('');
});

async function aLab(onPacket: ConstructorParameters<typeof UdpBatch>[1]['onPacket']) {
  const batch = new UdpBatch(native as Native, {
    bind: { address: '127.0.0.1', port: 0 },
    answerBytes: ANSWER_BYTES,
    onPacket,
  });
  const client = createSocket('udp4');
  client.connect(batch.port, '127.0.0.1');
  await once(client, 'connect');
  return {
    batch,
    client,
    [Symbol.asyncDispose]: async () => {
      batch.close();
      await new Promise<void>((resolve) => client.close(() => resolve()));
    },
  };
}
