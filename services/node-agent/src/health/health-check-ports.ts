/**
 * A small HTTP server on the `healthCheckNodePort` of each Service that has one: load balancers ask it whether this node
 * has endpoints of the Service. Answers and headers are kube-proxy's.
 */
import { createServer } from 'node:http';
import { errorText, type ProxyPlan, type ServiceKey, serviceKeyText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { PlanChange } from '@signalbox/rules';
import { type HttpServer, listenHttp } from './http-server.ts';

interface HealthCheckPortsOptions {
  readonly node: string;
  /** An address to listen on; `::` is both families. */
  readonly address: string;
  readonly isProxyHealthy: () => boolean;
  readonly logger: Logger;
}

interface Check {
  readonly key: ServiceKey;
  readonly port: number;
  readonly localEndpoints: number;
}

export class HealthCheckPorts {
  readonly #options: HealthCheckPortsOptions;
  /** As of the plans that have come. */
  readonly #wanted = new Map<string, Check>();
  /** As of the rules that are in. */
  #answered = new Map<string, Check>();
  readonly #servers = new Map<string, { readonly port: number; readonly server: HttpServer }>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: HealthCheckPortsOptions) {
    this.#options = options;
  }

  /** Answers stay as they are until `publish`. */
  note(changes: readonly PlanChange[]): void {
    for (const { key, plan } of changes) {
      const port = plan?.healthCheckNodePort;
      if (plan === undefined || port === undefined) this.#wanted.delete(serviceKeyText(key));
      else
        this.#wanted.set(serviceKeyText(key), { key, port, localEndpoints: localEndpoints(plan, this.#options.node) });
    }
  }

  /** The rules are in: answers are as of all changes noted. A port that is taken is tried again the next time. */
  publish(): Promise<void> {
    this.#answered = new Map(this.#wanted);
    this.#work = this.#work.then(() => this.#openAndClose());
    return this.#work;
  }

  async close(): Promise<void> {
    this.#wanted.clear();
    await this.publish();
  }

  async #openAndClose(): Promise<void> {
    for (const [service, { port, server }] of this.#servers) {
      if (this.#answered.get(service)?.port === port) continue;
      this.#servers.delete(service);
      await server.close();
    }
    for (const [service, { port }] of this.#answered) {
      if (!this.#servers.has(service)) await this.#open(service, port);
    }
  }

  async #open(service: string, port: number): Promise<void> {
    try {
      const server = await listenHttp(this.#createServer(service), { address: this.#options.address, port });
      this.#servers.set(service, { port, server });
    } catch (error) {
      this.#options.logger.warn(
        { service, port, reason: errorText(error) },
        'a health check node port cannot be listened on',
      );
    }
  }

  #createServer(service: string) {
    return createServer((_request, response) => {
      const check = this.#answered.get(service);
      if (check === undefined) {
        response.writeHead(404).end();
        return;
      }
      const { key, localEndpoints: count } = check;
      const isHealthy = this.#options.isProxyHealthy();
      response.setHeader('content-type', 'application/json');
      response.setHeader('x-content-type-options', 'nosniff');
      response.setHeader('x-load-balancing-endpoint-weight', String(count));
      response.writeHead(count > 0 && isHealthy ? 200 : 503);
      const { namespace, name } = key;
      response.end(
        JSON.stringify({ service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: isHealthy }),
      );
    });
  }
}

/** Ready endpoints on the node: of the family that has more, because a pod of two families is one endpoint. */
function localEndpoints(plan: ProxyPlan, node: string): number {
  const local = plan.ports.flatMap(({ endpoints }) => endpoints).filter((one) => one.ready && one.node === node);
  const count = (family: string): number =>
    new Set(local.filter((one) => one.family === family).map(({ address }) => address)).size;
  return Math.max(count('IPv4'), count('IPv6'));
}
