/** The node agent: follows plans and its node, programs them, says how far it has come. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeAgentAck, NodeAgentBackend } from '@signalbox/contracts';
import {
  Acknowledger,
  failureSignal,
  type ListenAddress,
  type Readiness,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import { rulesNodeOf } from '@signalbox/rules';
import { followStream } from './follow-stream.ts';
import { HealthCheckPorts } from './health/health-check-ports.ts';
import { ProxyHealth } from './health/proxy-health.ts';
import { startProxyHealthServer } from './health/proxy-health-server.ts';
import { createAgentMetrics } from './metrics.ts';
import { NodeFeed } from './node-feed.ts';
import { type ApplierOptions, openApplier, takeOver } from './open-applier.ts';
import { PlanFeed } from './plan-feed.ts';
import { type AppliedState, RulesSync } from './rules-sync.ts';

export interface NodeAgentOptions extends ApplierOptions {
  readonly cluster: string;
  /** `/healthz` and `/livez`; absent: not served. */
  readonly proxyHealthListen?: ListenAddress;
  /** Where health check node ports listen. Default `::`, which is all addresses. */
  readonly healthCheckAddress?: string;
  /** Remove kube-proxy's rules once our own are in. */
  readonly takesOver?: boolean;
  /** Default one hour. */
  readonly fullResyncMs?: number;
  /** A change that waits for longer makes the node unhealthy. Default one minute, as in kube-proxy. */
  readonly maxLagMs?: number;
  /** Between two acknowledgements. Default one second. */
  readonly ackIntervalMs?: number;
}

export interface NodeAgent extends RunningService {
  readonly backend: NodeAgentBackend;
  /** Of `/healthz` and `/livez`, where served. */
  readonly proxyHealthUrl: string | undefined;
  readonly state: AppliedState;
}

const HOUR_MS = 3_600_000;

/** Starts to follow at once. Throws `invalid` for options that cannot work, `unavailable` for an address that is taken. */
export async function startNodeAgent(context: ServiceContext, options: NodeAgentOptions): Promise<NodeAgent> {
  const { proxyHealthListen } = options;
  const applier = openApplier(context.logger, options);
  const agent = new Agent(context, options, applier);
  try {
    const server = proxyHealthListen && (await startProxyHealthServer(proxyHealthListen, agent.health));
    return agent.start(server);
  } catch (error) {
    await applier.close();
    throw error;
  }
}

type HealthServer = Awaited<ReturnType<typeof startProxyHealthServer>>;

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The parts and what they tell each other. */
class Agent {
  readonly health: ProxyHealth;
  readonly #context: ServiceContext;
  readonly #options: NodeAgentOptions;
  readonly #applier: ReturnType<typeof openApplier>;
  readonly #sync: RulesSync;
  readonly #plans: PlanFeed;
  readonly #nodes: NodeFeed;
  readonly #firstPlans = deferred();
  readonly #checks: HealthCheckPorts;
  readonly #acknowledger: Acknowledger;
  #mustTakeOver: boolean;

  constructor(context: ServiceContext, options: NodeAgentOptions, applier: ReturnType<typeof openApplier>) {
    const { logger, log, registry } = context;
    this.#context = context;
    this.#options = options;
    this.#applier = applier;
    this.#mustTakeOver = options.takesOver ?? false;
    const queuedSinceMs = (): number | undefined => this.#sync.queuedSinceMs;
    const metrics = createAgentMetrics(registry, { state: () => this.#sync.state, queuedSinceMs });
    this.#sync = new RulesSync({
      applier,
      logger,
      fullResyncMs: options.fullResyncMs ?? HOUR_MS,
      onOutcome: (outcome) => {
        metrics.record(outcome);
        this.#acknowledger.note();
        if (outcome.error === '') this.#afterApplied();
      },
    });
    const appliedAtMs = (): number | null => this.#sync.state.appliedAtMs;
    this.health = new ProxyHealth({ queuedSinceMs, appliedAtMs }, options.maxLagMs ?? 60_000);
    const isProxyHealthy = (): boolean => this.health.state.isHealthy;
    const address = options.healthCheckAddress ?? '::';
    this.#checks = new HealthCheckPorts({ node: options.node, address, isProxyHealthy, logger });
    this.#acknowledger = new Acknowledger({
      log,
      logger,
      intervalMs: options.ackIntervalMs ?? 1000,
      currentAck: () => this.#ack(),
    });
    this.#plans = new PlanFeed({
      cluster: options.cluster,
      logger,
      onBadMessage: () => metrics.badMessages.inc(),
      onBatch: (batch) => {
        this.#checks.note(batch.changes);
        this.#sync.queuePlans(batch);
        this.#firstPlans.resolve();
      },
    });
    this.#nodes = new NodeFeed({
      cluster: options.cluster,
      node: options.node,
      logger,
      onNode: (object) => {
        this.health.setNode(object);
        // A node that is gone from the cluster keeps its rules until it is really gone.
        if (object !== undefined) this.#sync.queueNode(rulesNodeOf(object));
      },
    });
  }

  start(server: HealthServer | undefined): NodeAgent {
    const { failure, fail } = failureSignal();
    const stopping = new AbortController();
    const work = this.#run(stopping.signal).catch(fail);
    const agent = {
      name: 'node-agent',
      backend: this.#applier.backend,
      proxyHealthUrl: server?.url,
      failure,
      readiness: () => this.#readiness(),
      stop: async () => {
        stopping.abort();
        await work;
        await Promise.all([server?.close(), this.#checks.close(), this.#applier.close()]);
      },
    };
    return Object.defineProperty(agent, 'state', { get: () => this.#sync.state }) as NodeAgent;
  }

  async #run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      followStream(this.#context, this.#nodes, signal),
      followStream(this.#context, this.#plans, signal),
      this.#acknowledger.run(signal),
      this.#program(signal),
    ]);
  }

  /**
   * The first plans may overtake the Node object, which comes on another stream; but it is in the log before them. So it
   * is asked for once they are there, and nothing is programmed without it.
   */
  async #program(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#firstPlans.promise, stopped]);
    while (!signal.aborted) {
      try {
        const message = await this.#context.log.last('objects', this.#nodes.filter);
        if (message !== undefined) this.#nodes.read(message);
        else
          this.#context.logger.warn(
            { node: this.#options.node },
            'there is no such node: zone and addresses are unknown',
          );
        break;
      } catch (err) {
        this.#context.logger.warn({ err }, 'the Node object cannot be asked for, trying again');
        await sleep(1000, undefined, { signal }).catch(() => {});
      }
    }
    await this.#sync.run(signal);
  }

  #afterApplied(): void {
    void this.#checks.publish();
    if (!this.#mustTakeOver) return;
    this.#mustTakeOver = false;
    const { logger } = this.#context;
    takeOver(this.#options).then(
      () => logger.info('the rules of kube-proxy are removed'),
      (err: unknown) => {
        this.#mustTakeOver = true;
        logger.error({ err }, 'the rules of kube-proxy could not be removed, trying again after the next change');
      },
    );
  }

  #ack(): NodeAgentAck {
    const { cluster, node } = this.#options;
    const { revision, appliedAtMs, error, skippedServices } = this.#sync.state;
    const { backend } = this.#applier;
    const who = { consumer: node, kind: 'node-agent' as const, layer: 'proxy' as const, cluster, node, backend };
    return { ...who, revision, appliedAtMs, error, skippedServices: skippedServices.length };
  }

  #readiness(): Readiness {
    const { revision, error, skippedServices } = this.#sync.state;
    if (error !== '') return { isReady: false, reason: `rules cannot be applied: ${error}` };
    if (revision === 0)
      return { isReady: false, reason: `the plans of cluster ${this.#options.cluster} have not come yet` };
    if (!this.#plans.isSynced) {
      return { isReady: true, reason: `cluster ${this.#options.cluster} is not synced now: its last rules are kept` };
    }
    return { isReady: true, reason: skippedServices.length === 0 ? '' : `left out: ${skippedServices.join(', ')}` };
  }
}
