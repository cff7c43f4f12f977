/** From a change in the log to the first answer that shows it, under questions and further changes. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import dnsPacket from 'dns-packet';
import { askAlong, type Latency, percentiles, type Queries } from './dnsperf.ts';
import { type AddressChange, serviceName } from './zone.ts';

const CHANGES = 1000;
const CHANGES_PER_SECOND = 100;
const QUESTIONS_PER_SECOND = 10_000;
/** Until dnsperf is at its pace. */
const HEAD_START_MS = 500;

/** Each service is changed once, and asked about again and again until the answer is the new one. */
export async function measureChanges(queries: Queries, change: (change: AddressChange) => void): Promise<Latency> {
  const seconds = CHANGES / CHANGES_PER_SECOND + 2;
  const asking = askAlong(queries, { perSecond: QUESTIONS_PER_SECOND, seconds });
  await sleep(HEAD_START_MS);
  const startedAtMs = performance.now();
  const seen: Promise<number>[] = [];
  for (let at = 0; at < CHANGES; at += 1) {
    await sleep(startedAtMs + (at * 1000) / CHANGES_PER_SECOND - performance.now());
    const address = `192.0.2.${at % 250}`;
    const changedAtMs = performance.now();
    change({ service: at, address });
    seen.push(untilAnswered(queries.port, serviceName(at), address).then((atMs) => (atMs - changedAtMs) * 1000));
  }
  const tookUs = await Promise.all(seen);
  await asking;
  return percentiles(tookUs.map(Math.round));
}

/** When it was. */
async function untilAnswered(port: number, name: string, address: string): Promise<number> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    for (;;) {
      socket.send(dnsPacket.encode({ type: 'query', id: 1, questions: [{ name, type: 'A' }] }));
      const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
      const [answer] = dnsPacket.decode(message).answers ?? [];
      if (answer?.type === 'A' && answer.data === address) return performance.now();
    }
  } finally {
    socket.close();
  }
}
