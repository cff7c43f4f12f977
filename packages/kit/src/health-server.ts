/** `/healthz`, `/readyz` and `/metrics` of a process that serves nothing else over HTTP. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';
import { Gauge, type Registry } from 'prom-client';
import { formatAddress, type ListenAddress } from './listen-address.ts';
import { bearerChallenge, type MetricsToken } from './metrics-token.ts';
import type { Readiness } from './service.ts';

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface HealthServerOptions {
  readonly listen: ListenAddress;
  readonly registry: Registry;
  readonly readiness: () => Readiness;
  /** Asked for at `/metrics`, and for the reasons of `/readyz`. Absent: everybody may know. */
  readonly metricsToken?: MetricsToken;
}

export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch(() => response.destroy());
  });
  server.requestTimeout = 10_000;
  registerReadiness(options);
  await listenOn(server, options.listen);
  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${formatAddress({ address, port })}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function registerReadiness({ registry, readiness }: HealthServerOptions): void {
  const ready: Gauge = new Gauge({
    name: 'signalbox_ready',
    help: 'What /readyz says: 1 while this process is ready.',
    registers: [registry],
    collect: () => ready.set(Number(readiness().isReady)),
  });
}

async function answer(
  { url = '/', headers: { authorization } }: IncomingMessage,
  response: ServerResponse,
  { registry, readiness, metricsToken }: HealthServerOptions,
): Promise<void> {
  const mayKnow = metricsToken?.isIn(authorization) ?? true;
  switch (url.replace(/\?.*/, '')) {
    case '/healthz':
      return send(response, 200, 'ok\n');
    case '/readyz': {
      const { isReady, reason } = readiness();
      if (isReady) return send(response, 200, 'ready\n');
      return send(response, 503, mayKnow ? `not ready: ${reason}\n` : 'not ready\n');
    }
    case '/metrics':
      if (!mayKnow) {
        response.setHeader('www-authenticate', bearerChallenge(authorization));
        return send(response, 401, 'this needs the metrics token: Authorization: Bearer TOKEN\n');
      }
      response.setHeader('content-type', registry.contentType);
      return send(response, 200, await registry.metrics());
    default:
      return send(response, 404, 'not found; there is /healthz, /readyz and /metrics\n');
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.writeHead(status).end(body);
}

function listenOn(server: Server, { address, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = formatAddress({ address, port });
      reject(new SignalboxError('unavailable', `cannot listen on ${where}`, { cause }));
    });
    server.listen(port, address, resolve);
  });
}
