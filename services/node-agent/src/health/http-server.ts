import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { formatAddress, type ListenAddress } from '@signalbox/kit';

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

/** In place of an address: all addresses of both families, or of IPv4 where the machine has no IPv6. */
export const EVERY_ADDRESS = '*';

/** Throws `unavailable` when the address cannot be had. `::` is IPv6 only. */
export function listenHttp(server: Server, { address, port }: ListenAddress): Promise<HttpServer> {
  server.requestTimeout = 10_000;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = formatAddress({ address, port });
      reject(new SignalboxError('unavailable', `cannot listen on ${where}: ${errorText(cause)}`, { cause }));
    });
    server.listen({ port, ...(address === EVERY_ADDRESS ? {} : { host: address, ipv6Only: true }) }, () => {
      const bound = server.address() as AddressInfo;
      resolve({ url: `http://${formatAddress(bound)}`, close: () => closeHttp(server) });
    });
  });
}

function closeHttp(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
