import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createTcpListener, listenTcp, type TcpSettings } from './tcp-listener.ts';
import type { AnswerPacket } from './transport.ts';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const echo: AnswerPacket = (packet) => [Buffer.from(packet)];

async function aListener(answer: AnswerPacket = echo, settings: Partial<TcpSettings> = {}): Promise<number> {
  const listener = createTcpListener(answer, { idleMs: 10_000, maxConnections: 10, ...settings });
  cleanups.push(() => listener.close());
  return listenTcp(listener.server, { address: '127.0.0.1', port: 0 });
}

function aConnection(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  // A connection that the server closes may end in a reset; what was read until then is what counts.
  socket.on('error', () => {});
  cleanups.push(() => void socket.destroy());
  return socket;
}

function framed(...texts: string[]): Buffer {
  return Buffer.concat(texts.map((text) => Buffer.from([text.length >> 8, text.length & 0xff, ...Buffer.from(text)])));
}

/** Texts of the messages that come, until there are so many or the connection ends. */
async function read(socket: Socket, count: number): Promise<string[]> {
  const messages: string[] = [];
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        messages.push(rest.toString('utf8', 2, end));
        rest = rest.subarray(end);
      }
      if (messages.length >= count) break;
    }
  } catch {
    // The connection was reset.
  }
  return messages;
}

async function waitUntil(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('timed out');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('many questions at once are answered in order', async () => {
  const socket = aConnection(await aListener((packet) => [Buffer.from(packet), Buffer.from('and')]));
  socket.write(framed('a', 'b'));
  expect(await read(socket, 4)).toEqual(['a', 'and', 'b', 'and']);
});

test('a question may come in pieces, and the last may be followed by the end', async () => {
  const socket = aConnection(await aListener());
  socket.setNoDelay(true);
  for (const byte of framed('question', 'another')) socket.write(Uint8Array.of(byte));
  socket.end();
  expect(await read(socket, 3)).toEqual(['question', 'another']);
});

test('what is not to be answered is not, and the connection goes on', async () => {
  const socket = aConnection(await aListener((packet) => (packet.length > 3 ? [] : [packet])));
  socket.write(framed('dropped', 'ok'));
  expect(await read(socket, 1)).toEqual(['ok']);
});

describe('a connection is closed', () => {
  test('when it asks nothing', async () => {
    expect(await read(aConnection(await aListener(echo, { idleMs: 30 })), 1)).toEqual([]);
  });

  test('when it never completes a question, however busy it looks', async () => {
    const socket = aConnection(await aListener(echo, { idleMs: 100 }));
    let isClosed = false;
    socket.on('close', () => {
      isClosed = true;
    });
    socket.resume();
    socket.write(framed('x'.repeat(60_000)).subarray(0, 2));
    await waitUntil(() => {
      if (!isClosed) socket.write('x');
      return isClosed;
    });
  });

  test('when it never takes its answers, which do not pile up meanwhile', async () => {
    let answered = 0;
    const countAndAnswer: AnswerPacket = () => {
      answered += 1;
      return [Buffer.alloc(60_000)];
    };
    const port = await aListener(countAndAnswer, { idleMs: 100, maxConnections: 1 });
    const stalled = aConnection(port);
    stalled.pause();
    stalled.write(framed(...Array.from({ length: 5000 }, () => 'q')));
    await waitUntil(() => answered > 0);
    // The only place is taken until the server gives up on the reader.
    await waitUntil(async () => {
      const next = aConnection(port);
      next.write(framed('q'));
      return (await read(next, 1)).length === 1;
    });
    expect(answered).toBeLessThan(2500);
  });

  test('when there are too many; a place is free again after one ends', async () => {
    const port = await aListener(echo, { maxConnections: 1 });
    const first = aConnection(port);
    first.write(framed('first'));
    expect(await read(first, 1)).toEqual(['first']);
    const second = aConnection(port);
    second.write(framed('second'));
    expect(await read(second, 1)).toEqual([]);
    first.end();
    await waitUntil(async () => {
      const third = aConnection(port);
      third.write(framed('third'));
      return (await read(third, 1)).length === 1;
    });
  });
});
