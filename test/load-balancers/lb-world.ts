/** The load-balancer worker on a real log, with a clock that a test sets. */
import {
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type LoadBalancerPolicySpec,
  type LogObject,
  objectSubject,
  parseTargetsSubject,
  type ServiceObject,
  type SourceState,
  type SourceStatus,
  sourceStatusSubject,
  TARGETS_WATERMARK_SUBJECT,
  type TargetGroupSet,
  targetGroupSetSchema,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningWorkers, startWorkers } from '@signalbox/kit';
import { lbWorker, type RunningTargetGroups, startTargetGroups } from '@signalbox/lb-worker';
import { waitFor } from '../harness/event-log-tail.ts';
import { ManualClock } from '../harness/manual-clock.ts';
import { aCluster, aService, tombstoneOf, upsertOf } from '../harness/objects.ts';

export const CLUSTER = 'eu';
const logger = createLogger({ component: 'test', level: 'silent' });

export class LbWorld {
  readonly clock = new ManualClock();
  readonly log: EventLog;
  #workers: RunningWorkers | undefined;
  #targets: RunningTargetGroups | undefined;

  constructor(log: EventLog = openSqliteEventLog({ path: ':memory:' })) {
    this.log = log;
  }

  async start(): Promise<void> {
    this.#targets = await startTargetGroups(
      { log: this.log, logger, registry: createRegistry() },
      { clock: this.clock },
    );
    this.#workers = await startWorkers({ log: this.log, logger, registry: createRegistry() }, [lbWorker]);
  }

  async stop(): Promise<void> {
    await this.#workers?.stop();
    await this.#targets?.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.log.close();
  }

  async put(...objects: readonly LogObject[]): Promise<number> {
    const entries = objects.map((object) => upsertOf(CLUSTER, object, this.clock.nowMs()));
    return (await this.log.appendAll('objects', entries)).at(-1) ?? 0;
  }

  async remove(...objects: readonly LogObject[]): Promise<void> {
    await this.log.appendAll(
      'objects',
      objects.map((object) => tombstoneOf(CLUSTER, object)),
    );
  }

  async putPolicy(spec: Partial<LoadBalancerPolicySpec>): Promise<void> {
    const object: LogObject = {
      kind: 'LoadBalancerPolicy',
      metadata: { name: 'policy' },
      spec: { loadBalancerClass: '', ...spec },
    };
    await this.#putIntent(object);
  }

  async confirm(service: string, revision: number): Promise<void> {
    await this.#putIntent({
      kind: 'LoadBalancerConfirmation',
      metadata: { name: service },
      spec: { service: { cluster: CLUSTER, namespace: 'shop', name: service }, revision },
    });
  }

  async reportSource(state: SourceState): Promise<void> {
    const status: SourceStatus = {
      cluster: CLUSTER,
      kind: 'EndpointSlice',
      state,
      message: '',
      objects: 0,
      skipped: 0,
      resourceVersion: '',
      sinceMs: 0,
    };
    await this.log.append('status', {
      subject: sourceStatusSubject(CLUSTER, 'EndpointSlice'),
      data: JSON.stringify(status),
    });
  }

  /** Everything in the log is derived, and decided on. */
  async settled(): Promise<void> {
    const { lastSequence } = await this.log.info('objects');
    await waitFor(`revision ${lastSequence} to be decided on`, () => (this.#targets?.revision ?? -1) >= lastSequence);
  }

  /** Published sets, by name of the Service. */
  async sets(): Promise<Map<string, TargetGroupSet>> {
    const sets = new Map<string, TargetGroupSet>();
    for await (const batch of this.log.follow('targets', { from: 'snapshot' })) {
      for (const { subject, data } of batch.messages) {
        const key = parseTargetsSubject(subject);
        if (key !== undefined && data !== null) sets.set(key.name, targetGroupSetSchema.parse(JSON.parse(data)));
      }
      if (batch.isCaughtUp) break;
    }
    return sets;
  }

  /** `address state reason` of each target of the Service's first group. */
  async targets(service = 'web'): Promise<string[]> {
    const set = (await this.sets()).get(service);
    return (set?.groups[0]?.targets ?? []).map(({ address, state, reason }) => `${address} ${state} ${reason}`);
  }

  /** Until the targets are these. */
  async targetsBecome(wanted: readonly string[], service = 'web'): Promise<void> {
    let seen: string[] = [];
    await waitFor(`targets of ${service} to become ${wanted.join(', ')}`, async () => {
      seen = await this.targets(service);
      return JSON.stringify(seen) === JSON.stringify(wanted);
    }).catch((cause: unknown) => {
      throw new Error(`targets are ${seen.join(', ')}`, { cause });
    });
  }

  async watermark(): Promise<number> {
    const message = await this.log.last('targets', TARGETS_WATERMARK_SUBJECT);
    return message?.data ? (JSON.parse(message.data) as { revision: number }).revision : -1;
  }

  async #putIntent(object: LogObject): Promise<void> {
    const message = { cluster: '', resourceVersion: '', changedAtMs: this.clock.nowMs(), object };
    await this.log.append('objects', { subject: objectSubject('', object), data: JSON.stringify(message) });
  }
}

export function aBalancedService(name = 'web', spec: object = {}, metadata: object = {}): ServiceObject {
  return aService(name, { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ...spec }, metadata);
}

export interface PodParts {
  readonly address: string;
  readonly isReady?: boolean;
  readonly isTerminating?: boolean;
  readonly pod?: string;
}

export function podsOf(service: string, pods: readonly (string | PodParts)[]): EndpointSliceObject {
  const endpoints = pods.map((each) => {
    const { address, isReady = true, isTerminating = false, pod } = typeof each === 'string' ? { address: each } : each;
    return {
      addresses: [address],
      nodeName: 'node-a',
      conditions: { ready: isReady && !isTerminating, serving: isReady, terminating: isTerminating },
      ...(pod !== undefined && { targetRef: { kind: 'Pod', namespace: 'shop', name: pod } }),
    };
  });
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: `${service}-1`, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 8080 }],
  });
}

export function theCluster(): LogObject {
  return aCluster(CLUSTER);
}
