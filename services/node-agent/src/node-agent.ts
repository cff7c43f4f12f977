/** The node agent: follows plans and its node, programs them, says how far it has come. */
import type { NodeAgentAck, NodeAgentBackend, NodeObject } from '@signalbox/contracts';
import {
  Acknowledger,
  failureSignal,
  followStream,
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
import { openApplier, takeOver } from './open-applier.ts';
import { PlanFeed } from './plan-feed.ts';
import { openRemovalOrder, type RemovalOrder } from './removal-order.ts';
import { type AppliedState, RulesSync } from './rules-sync.ts';
import { checkOptions, HOUR_MS, lingerPolicyOf, MINUTE_MS, type NodeAgentOptions } from './start-options.ts';
import { traceOutcome } from './trace-outcome.ts';

export interface NodeAgent extends RunningService {
  readonly backend: NodeAgentBackend;
  /** Of `/healthz` and `/livez`, where served. */
  readonly proxyHealthUrl: string | undefined;
  readonly state: AppliedState;
}

/** Starts to follow at once. Throws `invalid` for options that cannot work, `unavailable` for an address that is taken. */
export async function startNodeAgent(context: ServiceContext, options: NodeAgentOptions): Promise<NodeAgent> {
  checkOptions(options);
  const { proxyHealthListen, observes } = options;
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
  /** Undefined where everything goes at once. */
  readonly #removals: RemovalOrder | undefined;
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
    const lingering = (): number => this.#removals?.size ?? 0;
    const metrics = createAgentMetrics(registry, { state, queuedSinceMs, lingering });
    this.#sync = new RulesSync({
      applier,
      logger,
      fullResyncMs: options.fullResyncMs ?? HOUR_MS,
      onOutcome: (outcome) => {
        if (outcome.kind !== 'none') this.#drift?.noteProgrammed();
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
    const onBadMessage = (): void => metrics.badMessages.inc();
    this.#removals = openRemovalOrder({
      ...lingerPolicyOf(options),
      cluster: options.cluster,
      logger,
      onRelease: (batch) => this.#sync.queuePlans(batch),
      onEnd: ({ end, entries }) => metrics.lingerEnds.inc({ end }, entries),
      onBadMessage,
    });
    this.#plans = new PlanFeed({
      cluster: options.cluster,
      logger,
      onBadMessage,
      onBatch: (batch) => {
        this.#checks.note(batch.changes);
        this.#sync.queuePlans(this.#removals?.apply(batch) ?? batch);
        this.#firstPlans.resolve();
      },
    });
    const { cluster, node } = options;
    this.#nodes = new NodeFeed({ cluster, node, logger, onNode: (object) => this.#noteNode(object) });
  }

  start(server: HealthServer | undefined): NodeAgent {
    const { failure, fail } = failureSignal();
    const stopping = new AbortController();
    this.#drift = this.#openDrift();
    // Whose rules are only looked at are in already.
    if (this.#isObserving) this.#drift?.watch();
    const work = this.#run(stopping.signal).catch(fail);
    const agent = {
      name: 'node-agent',
      backend: this.#applier.backend,
      proxyHealthUrl: server?.url,
      failure,
      readiness: () => this.#readiness(),
      stop: async () => {
        stopping.abort();
        this.#removals?.close();
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
      ...(this.#removals?.feeds ?? []).map((feed) => followStream(this.#context, feed, signal)),
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
    await this.#nodes.ask(this.#context.log, signal);
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

  #noteNode(object: NodeObject | undefined): void {
    this.health.setNode(object);
    // A node that is gone from the cluster keeps its rules until it is really gone.
    if (object === undefined) return;
    this.#node = rulesNodeOf(object);
    this.#sync.queueNode(this.#node);
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
    this.#drift?.watch();
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
