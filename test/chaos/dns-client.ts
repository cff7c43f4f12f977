/** Questions to the DNS server over real sockets. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import {
  encodeQuery,
  type MessageRecord,
  type ReadMessage,
  readMessage,
  responseCode,
  TYPE_AXFR,
} from '@signalbox/zones';

const [TYPE_A, TYPE_SOA] = [1, 6];
const UDP_TIMEOUT_MS = 1000;
const TCP_TIMEOUT_MS = 5000;

/** Undefined when nothing came in time. */
export async function ask(port: number, name: string, type: number): Promise<ReadMessage | undefined> {
  const socket = createSocket('udp4');
  const id = Math.floor(Math.random() * 65_536);
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), UDP_TIMEOUT_MS);
      socket.on('error', () => resolve(undefined));
      socket.on('message', (bytes) => {
        const message = readMessage(bytes);
        if (message?.id !== id) return;
        clearTimeout(timer);
        resolve(message);
      });
      socket.connect(port, '127.0.0.1', () => socket.send(encodeQuery(id, name, type)));
    });
  } finally {
    socket.close();
  }
}

/** 0 while the zone is not served. */
export async function dnsSerial(port: number, zone: string): Promise<number> {
  const message = await ask(port, zone, TYPE_SOA);
  return (message && serialOf(message.answer)) ?? 0;
}

/** Of the first SOA record among these: the first of its five numbers, after its two names. */
export function serialOf(records: readonly MessageRecord[]): number | undefined {
  const data = records.find(({ type }) => type === TYPE_SOA)?.data;
  return data && new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(data.length - 20);
}

export interface AddressAnswer {
  readonly code: number;
  readonly addresses: readonly string[];
}

export async function askAddresses(port: number, name: string): Promise<AddressAnswer | undefined> {
  const message = await ask(port, name, TYPE_A);
  if (message === undefined) return undefined;
  const addresses = message.answer.filter(({ type }) => type === TYPE_A).map(({ data }) => [...data].join('.'));
  return { code: responseCode(message), addresses };
}

/** All records of a zone, its SOA at both ends; undefined when it is refused or breaks off. */
export async function transfer(port: number, zone: string): Promise<MessageRecord[] | undefined> {
  const query = encodeQuery(1, zone, TYPE_AXFR);
  const socket = connect({ port, host: '127.0.0.1' });
  const records: MessageRecord[] = [];
  let pending = Buffer.alloc(0);
  socket.setTimeout(TCP_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE()) {
      const length = pending.readUInt16BE();
      const message = readMessage(pending.subarray(2, 2 + length));
      pending = pending.subarray(2 + length);
      if (message === undefined || responseCode(message) !== 0) return undefined;
      records.push(...message.answer);
      if (records.filter(({ type }) => type === TYPE_SOA).length === 2) return records;
    }
  }
  return undefined;
}
