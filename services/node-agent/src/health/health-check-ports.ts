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
  /** Addresses to listen on, as `listenHttp` takes them. Asked for once after each transaction. */
  readonly addresses: () => readonly string[];
  readonly isProxyHealthy: () => boolean;
  readonly logger: Logger;
}

interface Check {
  readonly key: ServiceKey;
  readonly port: number;
  readonly localEndpoints: number;
}

interface Listener {
  readonly service: string;
  readonly address: string;
  readonly port: number;
}

export class HealthCheckPorts {
  readonly #options: HealthCheckPortsOptions;
  /** As of the plans that have come. */
  readonly #wanted = new Map<string, Check>();
  /** As of the rules that are in. */
  #answered = new Map<string, Check>();
  /** By what is listened on, and for whom. */
  readonly #servers = new Map<string, HttpServer>();
  /** Places that could not be listened on, so that each is told once. */
  #failed = new Set<string>();
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
    const wanted = new Map<string, Listener>();
    // Asking for addresses takes long on a node with many interfaces, and most nodes have nothing to answer for.
    const addresses = this.#answered.size === 0 ? [] : this.#options.addresses();
    for (const [service, { port }] of this.#answered) {
      for (const address of addresses) {
        wanted.set(JSON.stringify([service, address, port]), { service, address, port });
      }
    }
    for (const [key, server] of this.#servers) {
      if (wanted.has(key)) continue;
      this.#servers.delete(key);
      await server.close();
    }
    const failed = new Set<string>();
    for (const [key, listener] of wanted) {
      if (!this.#servers.has(key) && !(await this.#open(key, listener))) failed.add(key);
    }
    this.#failed = failed;
  }

  async #open(key: string, { service, address, port }: Listener): Promise<boolean> {
    try {
      this.#servers.set(key, await listenHttp(this.#createServer(service), { address, port }));
      return true;
    } catch (error) {
      const fields = { service, address, port, reason: errorText(error) };
      if (!this.#failed.has(key)) this.#options.logger.warn(fields, 'a health check node port cannot be listened on');
      return false;
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
