/** A real HTTP server that takes webhooks as a careful receiver does: it checks signatures and drops what it has had. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedMessage {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly index: number;
}

export interface WebhookReceiver {
  readonly url: URL;
  /** Those accepted, in order, each once. */
  readonly messages: readonly ReceivedMessage[];
  /** All attempts, also those refused. */
  readonly attempts: number;
  /** Most requests under way at once. */
  readonly mostAtOnce: number;
  /** Status of the next answers; 200 when it gives none. */
  answer: (message: ReceivedMessage) => number | Promise<number>;
  close(): Promise<void>;
}

export async function startReceiver(secret: Buffer, headers: Record<string, string> = {}): Promise<WebhookReceiver> {
  const accepted = new Map<string, ReceivedMessage>();
  const counts = { attempts: 0, now: 0, most: 0 };
  const server = createServer((request, response) => {
    counts.attempts += 1;
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    void receive(request).then((status) => {
      counts.now -= 1;
      response.writeHead(status, headers).end('noted');
    });
  });
  async function receive(request: IncomingMessage): Promise<number> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const id = String(request.headers['webhook-id']);
    if (!isSigned(request, body, secret)) return 401;
    const { type, data } = JSON.parse(body) as { type: string; data: { name: string; index: number } };
    const message = { id, type, name: data.name, index: data.index };
    const status = await receiver.answer(message);
    if (status >= 200 && status < 300) accepted.set(id, message);
    return status;
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: WebhookReceiver = {
    answer: () => 200,
    url: new URL(`http://127.0.0.1:${port}/hook`),
    get messages() {
      return [...accepted.values()];
    },
    get attempts() {
      return counts.attempts;
    },
    get mostAtOnce() {
      return counts.most;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** Written from the specification of Standard Webhooks, without the driver's code. */
function isSigned({ headers }: IncomingMessage, body: string, secret: Buffer): boolean {
  const timestamp = String(headers['webhook-timestamp']);
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const wanted = createHmac('sha256', secret)
    .update(`${String(headers['webhook-id'])}.${timestamp}.${body}`)
    .digest();
  const signatures = String(headers['webhook-signature']).split(' ');
  return signatures.some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}
