/** `/healthz` and `/livez` on kube-proxy's port, in kube-proxy's form: probes and load balancers know it. */
import { createServer } from 'node:http';
import type { ListenAddress } from '@signalbox/kit';
import { EVERY_ADDRESS, type HttpServer, listenHttp } from './http-server.ts';
import type { ProxyHealth } from './proxy-health.ts';

/** As in kube-proxy, `0.0.0.0` and `::` are all addresses of both families: probes come to either. */
export function startProxyHealthServer(
  { address, port }: ListenAddress,
  health: Pick<ProxyHealth, 'state'>,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const { isLive, isHealthy, isNodeEligible, lastUpdatedMs } = health.state;
    const times = { lastUpdated: new Date(lastUpdatedMs).toISOString(), currentTime: new Date().toISOString() };
    response.setHeader('content-type', 'application/json');
    response.setHeader('x-content-type-options', 'nosniff');
    switch ((request.url ?? '/').replace(/\?.*/, '')) {
      case '/healthz':
        response.writeHead(isHealthy ? 200 : 503).end(JSON.stringify({ ...times, nodeEligible: isNodeEligible }));
        break;
      case '/livez':
        response.writeHead(isLive ? 200 : 503).end(JSON.stringify(times));
        break;
      default:
        response.writeHead(404).end('{}');
    }
  });
  const isUnspecified = address === '0.0.0.0' || address === '::';
  return listenHttp(server, { address: isUnspecified ? EVERY_ADDRESS : address, port });
}
