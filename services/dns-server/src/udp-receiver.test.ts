/** What holds for every way of receiving, on real sockets. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { loadNative } from '@signalbox/udp-batch';
import { afterEach, describe, expect, test } from 'vitest';
import { openUdpReceiver } from './open-receiver.ts';
import { type Peer, RECEIVER_KINDS, type ReceiverKind, type UdpAnswers, type UdpReceiver } from './udp-receiver.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Answers with what it got, in capitals. */
const capitals: UdpAnswers = { answer: (packet) => Buffer.from(Buffer.from(packet).toString('latin1').toUpperCase()) };
const native = loadNative();

describe.each(RECEIVER_KINDS)('%s', (kind) => {
  const missing = kind === 'batch' && typeof native === 'string' ? ` (skipped: ${native})` : '';
  // Skipped where the native part could not be built; CI has a compiler, and fails.
  const check = missing === '' || process.env.CI ? test : test.skip;

  check(`each sender gets its answers${missing}`, async () => {
    const { port } = await open(kind, capitals);
    const clients = await Promise.all(Array.from({ length: 20 }, () => client(port)));
    const answers = clients.map((socket, at) => repliesTo(socket, texts(`client-${at}`, 10)));
    for (const [at, replies] of (await Promise.all(answers)).entries()) {
      expect(replies.sort()).toEqual(texts(`CLIENT-${at}`, 10).sort());
    }
  });

  check(`more than a batch at once${missing}`, async () => {
    const { port } = await open(kind, capitals);
    const sent = texts('burst', 150);
    const replies = await repliesTo(await client(port), sent);
    expect(new Set(replies)).toEqual(new Set(sent.map((text) => text.toUpperCase())));
  });

  check(`late answers, none, and long ones${missing}`, async () => {
    const answer: UdpAnswers['answer'] = (packet) => {
      const text = Buffer.from(packet).toString();
      if (text === 'nothing') return undefined;
      if (text === 'long') return Buffer.alloc(8000, 'x');
      return new Promise((resolve) => setImmediate(() => resolve(Buffer.from(`late ${text}`))));
    };
    const socket = await client((await open(kind, { answer })).port);
    const replies = await repliesTo(socket, ['nothing', 'one', 'long', 'two'], 3);
    expect(replies.map((text) => (text.length === 8000 ? 'long' : text)).sort()).toEqual([
      'late one',
      'late two',
      'long',
    ]);
  });

  check(`packets of any length do no harm${missing}`, async () => {
    const lengths: number[] = [];
    const answer: UdpAnswers['answer'] = (packet) => {
      lengths.push(packet.length);
      return packet.subarray(0, 8);
    };
    const socket = await client((await open(kind, { answer })).port);
    for (const length of [0, 1, 4095, 4096, 4097, 9000, 65_507]) socket.send(Buffer.alloc(length, 'p'));
    expect(await lastReply(socket, 'the last')).toBe('the last');
    expect(lengths).toEqual(expect.arrayContaining([1, 4095, 4096, 8]));
  });

  check(`IPv6, and who asks${missing}`, async () => {
    const peers: Peer[] = [];
    const answer: UdpAnswers['answer'] = (packet, peer) => {
      peers.push(peer);
      return packet;
    };
    for (const [address, expected] of [
      ['::1', /^(::1|0:0:0:0:0:0:0:1)$/],
      ['127.0.0.1', /^127\.0\.0\.1$/],
    ] as const) {
      const socket = await client((await open(kind, { answer }, address)).port, address);
      expect(await repliesTo(socket, ['hello'])).toEqual(['hello']);
      expect(peers.at(-1)?.address).toMatch(expected);
      expect(peers.at(-1)?.port).toBe(socket.address().port);
    }
  });

  check(`a packet that was taken elsewhere${missing}`, async () => {
    const taken: [Uint8Array, Peer][] = [];
    const first = await open(kind, {
      answer: (packet, peer) => {
        taken.push([packet, peer]);
        return undefined;
      },
    });
    const second = await open(kind, capitals);
    const socket = await client(first.port, '127.0.0.1', false);
    socket.send('here', first.port, '127.0.0.1');
    await waitUntil(() => taken.length === 1);
    const reply = once(socket, 'message');
    for (const [packet, peer] of taken) second.answer(packet, peer);
    expect(String((await reply)[0])).toBe('HERE');
  });

  check(`a port that is taken, and one that is free again${missing}`, async () => {
    const first = await openUdpReceiver(kind, { address: '127.0.0.1', port: 0 }, capitals);
    const { port } = first;
    for (const other of RECEIVER_KINDS) {
      await expect(openUdpReceiver(other, { address: '127.0.0.1', port }, capitals)).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
    }
    await first.close();
    const again = await openUdpReceiver(kind, { address: '127.0.0.1', port }, capitals);
    cleanups.push(() => again.close());
    expect(await repliesTo(await client(port), ['again'])).toEqual(['AGAIN']);
  });
});

/** Skipped where the native part could not be built; CI has a compiler, and fails. */
const batchTest = typeof native === 'string' && !process.env.CI ? test.skip : test;

batchTest('what is answered at once is not asked for again', async () => {
  const slow: string[] = [];
  const answers: UdpAnswers = {
    quick: (data, length, target) => (data[0] === 0x71 ? Buffer.from(data.subarray(0, length)).copy(target) : 0),
    answer: (packet) => {
      slow.push(Buffer.from(packet).toString());
      return packet;
    },
  };
  const socket = await client((await open('batch', answers)).port);
  expect((await repliesTo(socket, ['quick', 'slow', 'q'])).sort()).toEqual(['q', 'quick', 'slow']);
  expect(slow).toEqual(['slow']);
});

batchTest('an error in the midst of a batch is an uncaught exception, as anywhere', async () => {
  const answers: UdpAnswers = {
    answer: (packet) => {
      if (packet.length === 4) throw new Error('on purpose');
      return packet;
    },
  };
  const uncaught: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => uncaught.push(error));
  try {
    const socket = await client((await open('batch', answers)).port);
    socket.send('oops');
    await waitUntil(() => uncaught.length === 1);
    expect(await lastReply(socket, 'after')).toBe('after');
    expect(String(uncaught[0])).toBe('Error: on purpose');
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  }
});

async function open(kind: ReceiverKind, answers: UdpAnswers, address = '127.0.0.1'): Promise<UdpReceiver> {
  const receiver = await openUdpReceiver(kind, { address, port: 0 }, answers);
  expect(receiver.kind).toBe(kind);
  cleanups.push(() => receiver.close());
  return receiver;
}

async function client(port: number, address = '127.0.0.1', isConnected = true): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  cleanups.push(() => new Promise((resolve) => socket.close(() => resolve())));
  if (isConnected) {
    socket.connect(port, address);
    await once(socket, 'connect');
  } else {
    socket.bind(0, address);
    await once(socket, 'listening');
  }
  return socket;
}

function texts(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}/${at}`);
}

async function repliesTo(socket: Socket, packets: readonly string[], expected = packets.length): Promise<string[]> {
  const replies: string[] = [];
  const listener = (message: Buffer) => replies.push(message.toString());
  socket.on('message', listener);
  for (const packet of packets) socket.send(packet);
  await waitUntil(() => replies.length >= expected);
  socket.off('message', listener);
  return replies;
}

async function lastReply(socket: Socket, packet: string): Promise<string> {
  let last = '';
  socket.on('message', (message) => {
    last = message.toString();
  });
  socket.send(packet);
  await waitUntil(() => last === packet);
  return last;
}

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('timed out');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
