/** The node agent: follows plans and its node, programs them, says how far it has come. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type DriftOwner, type NodeAgentAck, type NodeAgentBackend, SignalboxError } from '@signalbox/contracts';
import {
  Acknowledger,
  failureSignal,
  followStream,
  type ListenAddress,
  type Readiness,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import { type RulesNode, rulesNodeOf } from '@signalbox/rules';
import { OwnProcesses } from './drift/index.ts';
import { healthCheckAddresses } from './health/health-check-addresses.ts';
import { HealthCheckPorts } from './health/health-check-ports.ts';
import { EVERY_ADDRESS } from './health/http-server.ts';
import { ProxyHealth } from './health/proxy-health.ts';
import { startProxyHealthServer } from './health/proxy-health-server.ts';
import { createAgentMetrics } from './metrics.ts';
import { type NodeDrift, openNodeDrift } from './node-drift.ts';
import { NodeFeed } from './node-feed.ts';
import { type ApplierOptions, openApplier, takeOver } from './open-applier.ts';
import { PlanFeed } from './plan-feed.ts';
import { type AppliedState, RulesSync } from './rules-sync.ts';
import { traceOutcome } from './trace-outcome.ts';

export interface NodeAgentOptions extends ApplierOptions {
  readonly cluster: string;
  /** `/healthz` and `/livez`; absent: not served. */
  readonly proxyHealthListen?: ListenAddress;
  /** Where health check node ports listen, instead of where node ports answer. */
  readonly healthCheckAddress?: string | undefined;
  /** Change nothing on this node: compare the rules of this owner with the cluster, and report. */
  readonly observes?: DriftOwner;
  /** Between two comparisons of the kernel with what it should do. Default one minute; 0: none. */
  readonly driftIntervalMs?: number;
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

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Starts to follow at once. Throws `invalid` for options that cannot work, `unavailable` for an address that is taken. */
export async function startNodeAgent(context: ServiceContext, options: NodeAgentOptions): Promise<NodeAgent> {
  const { proxyHealthListen, observes, takesOver } = options;
  if (observes !== undefined && takesOver === true) {
    throw new SignalboxError('invalid', 'who observes a node takes nothing over');
  }
  if (observes !== undefined && options.driftIntervalMs === 0) {
    throw new SignalboxError('invalid', 'who observes a node looks at it now and then: the drift interval is 0');
  }
  const ownProcesses = new OwnProcesses();
  const isObserving = observes !== undefined;
  const applier = openApplier(context.logger, { ...options, isObserving }, (pid) => ownProcesses.note(pid));
  const agent = new Agent(context, options, { applier, ownProcesses });
  try {
    // Who only observes leaves the ports to whoever programs the node.
    const listen = observes === undefined ? proxyHealthListen : undefined;
    return agent.start(listen && (await startProxyHealthServer(listen, agent.health)));
  } catch (error) {
    await applier.close();
    throw error;
  }
}

interface Programs {
  readonly applier: ReturnType<typeof openApplier>;
  /** What it programs with. */
  readonly ownProcesses: OwnProcesses;
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
  readonly #ownProcesses: OwnProcesses;
  #drift: NodeDrift | undefined;
  #node: RulesNode | undefined;
  #mustTakeOver: boolean;
  #takingOver: Promise<void> = Promise.resolve();

  constructor(context: ServiceContext, options: NodeAgentOptions, { applier, ownProcesses }: Programs) {
    const { logger, log, registry } = context;
    this.#context = context;
    this.#options = options;
    this.#applier = applier;
    this.#ownProcesses = ownProcesses;
    this.#mustTakeOver = options.takesOver ?? false;
    const queuedSinceMs = (): number | undefined => this.#sync.queuedSinceMs;
    // What is only compared has not reached the node.
    const state = (): AppliedState => ({ ...this.#sync.state, ...(this.#isObserving && { revision: 0 }) });
    const metrics = createAgentMetrics(registry, { state, queuedSinceMs });
    this.#sync = new RulesSync({
      applier,
      logger,
      fullResyncMs: options.fullResyncMs ?? HOUR_MS,
      onOutcome: (outcome) => {
        if (this.#isObserving) {
          if (outcome.kind !== 'none') this.#drift?.noteExpectation();
          return;
        }
        metrics.record(outcome);
        traceOutcome(context.tracer, outcome);
        this.#acknowledger.note();
        if (outcome.error === '') this.#afterApplied();
      },
    });
    const appliedAtMs = (): number | null => this.#sync.state.appliedAtMs;
    this.health = new ProxyHealth({ queuedSinceMs, appliedAtMs }, options.maxLagMs ?? MINUTE_MS);
    // As in kube-proxy: a node that is about to go still serves the connections that it is sent.
    const isProxyHealthy = (): boolean => this.health.state.isLive;
    const addresses = (): readonly string[] => this.#healthCheckAddresses();
    this.#checks = new HealthCheckPorts({ node: options.node, addresses, isProxyHealthy, logger });
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
        if (object === undefined) return;
        this.#node = rulesNodeOf(object);
        this.#sync.queueNode(this.#node);
      },
    });
  }

  start(server: HealthServer | undefined): NodeAgent {
    const { failure, fail } = failureSignal();
    const stopping = new AbortController();
    this.#drift = this.#openDrift();
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
        await this.#takingOver;
        await Promise.all([server?.close(), this.#checks.close(), this.#drift?.close(), this.#applier.close()]);
      },
    };
    return Object.defineProperty(agent, 'state', { get: () => this.#sync.state }) as NodeAgent;
  }

  async #run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      followStream(this.#context, this.#nodes, signal),
      followStream(this.#context, this.#plans, signal),
      ...(this.#isObserving ? [] : [this.#acknowledger.run(signal)]),
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

  /** Without `nodePortAddresses`, as in kube-proxy: the primary ones with nftables, else all. */
  #healthCheckAddresses(): readonly string[] {
    const { healthCheckAddress, backend, listenHosts = ['127.0.0.1'], nodePortAddresses } = this.#options;
    if (healthCheckAddress !== undefined) return [healthCheckAddress];
    if (backend === 'userspace') return listenHosts;
    const allowed = nodePortAddresses ?? (backend === 'nftables' ? ['primary'] : undefined);
    if (allowed === undefined) return [EVERY_ADDRESS];
    return healthCheckAddresses({ allowed, nodeAddresses: this.#node?.addresses ?? [] });
  }

  get #isObserving(): boolean {
    return this.#options.observes !== undefined;
  }

  /** Undefined where there is no kernel to look at, or nobody wants to. */
  #openDrift(): NodeDrift | undefined {
    const { cluster, observes, driftIntervalMs = MINUTE_MS, commandPrefix = [] } = this.#options;
    const { backend } = this.#applier;
    if (backend === 'userspace' || driftIntervalMs === 0) return undefined;
    return openNodeDrift(this.#context, {
      cluster,
      backend,
      owner: observes ?? 'signalbox',
      expected: () => {
        const rules = this.#applier.programmed;
        return rules && { ...rules, revision: this.#sync.state.revision };
      },
      ...(!this.#isObserving && { repair: () => this.#sync.repair() }),
      intervalMs: driftIntervalMs,
      ownProcesses: this.#ownProcesses,
      commandPrefix,
    });
  }

  #afterApplied(): void {
    void this.#checks.publish();
    if (!this.#mustTakeOver) return;
    this.#mustTakeOver = false;
    const { logger } = this.#context;
    this.#takingOver = takeOver(this.#options).then(
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
