/** The webhook driver: target groups of one class, as signed messages to one receiver. */
import { hostname } from 'node:os';
import { SignalboxError, serviceKeyText } from '@signalbox/contracts';
import {
  type Clock,
  DriverDuty,
  followStream,
  groupKey,
  ProgrammedChanges,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
  STEADY_CLOCK,
  TargetFeed,
} from '@signalbox/kit';
import { Deliveries, type Delivery, laneName } from './deliveries.ts';
import { type DeliveryOutcome, deliveryOutcome } from './delivery-outcome.ts';
import { readEarlierReports } from './earlier-reports.ts';
import { createWebhookMetrics } from './metrics.ts';
import { openPoster, type Poster } from './post-message.ts';
import { signMessage } from './sign-message.ts';
import { changedMessage, messageId, removedMessage } from './target-group-message.ts';

export interface WebhookDriverOptions {
  /** Empty: Services without a class. */
  readonly loadBalancerClass: string;
  readonly url: URL;
  /** At least one; a message has a signature of each. */
  readonly secrets: readonly Buffer[];
  /** Unique among the drivers of the class. Default: `webhook@` and the host's name. */
  readonly name?: string;
  /** Receivers on this machine and in private networks. Default false. */
  readonly allowsPrivate?: boolean;
  /** Messages under way at once. Default 8. */
  readonly concurrency?: number;
  /** For one message. Default ten seconds. */
  readonly timeoutMs?: number;
  /** Default half a second, and one minute. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  /** After an answer that would be the same next time. Default five minutes. */
  readonly refusedRetryMs?: number;
  /** Default 15 seconds. */
  readonly leaseMs?: number;
  /** Between two reports. Default half a second. */
  readonly reportIntervalMs?: number;
  /** For back-off. Default: the process's own. */
  readonly clock?: Clock;
}

export interface WebhookDriver extends RunningService {
  readonly revision: number;
}

const DEFAULTS = {
  allowsPrivate: false,
  concurrency: 8,
  timeoutMs: 10_000,
  backoff: { minMs: 500, maxMs: 60_000 },
  refusedRetryMs: 300_000,
  leaseMs: 15_000,
  reportIntervalMs: 500,
  clock: STEADY_CLOCK,
};

/** Starts to follow at once. Throws `invalid` for a URL that cannot be one. */
export function startWebhookDriver(context: ServiceContext, options: WebhookDriverOptions): WebhookDriver {
  const settings = { name: `webhook@${hostname()}`, ...DEFAULTS, ...options };
  if (settings.secrets.length === 0) throw new SignalboxError('invalid', 'a webhook needs a secret to sign with');
  const poster = openPoster(settings.url, { ...settings, maxConnections: settings.concurrency });
  return new Driver(context, settings, poster).start();
}

type Settings = typeof DEFAULTS & WebhookDriverOptions & { readonly name: string };

class Driver implements WebhookDriver {
  readonly name = 'webhook-driver';
  readonly #context: ServiceContext;
  readonly #settings: Settings;
  readonly #poster: Poster;
  readonly #feed: TargetFeed;
  readonly #duty: DriverDuty;
  readonly #deliveries: Deliveries;
  readonly #changes: ProgrammedChanges;
  /** Services of which a group was delivered since the last look. */
  readonly #delivered = new Set<string>();
  #revision = 0;

  constructor(context: ServiceContext, settings: Settings, poster: Poster) {
    const { loadBalancerClass } = settings;
    this.#context = context;
    this.#settings = settings;
    this.#poster = poster;
    const metrics = createWebhookMetrics(context.registry, () => ({
      revision: this.#revision,
      pending: this.#deliveries.pending,
      failingGroups: this.#deliveries.states.filter(({ error }) => error !== '').length,
      holdsLease: this.#duty.holdsLease,
    }));
    this.#feed = new TargetFeed({
      loadBalancerClass,
      logger: context.logger,
      onChange: () => this.#want(),
      onBadMessage: () => metrics.badMessages.inc(),
    });
    this.#duty = new DriverDuty(context, {
      ...settings,
      restore: () => this.#restore(),
      onDuty: () => this.#begin(),
    });
    this.#changes = new ProgrammedChanges(context, loadBalancerClass);
    this.#deliveries = new Deliveries({
      ...settings,
      isAllowed: () => this.#duty.isOnDuty,
      send: (delivery) => this.#send(delivery),
      onOutcome: (type) => metrics.recordOutcome(type),
      onChange: () => {
        this.#noteDelivered();
        this.#tell();
      },
    });
  }

  get revision(): number {
    return this.#revision;
  }

  get failure(): Promise<never> {
    return this.#duty.failure;
  }

  start(): this {
    this.#duty.start([(signal) => followStream(this.#context, this.#feed, signal)]);
    return this;
  }

  async stop(): Promise<void> {
    await this.#duty.stop(() => this.#deliveries.stop());
    this.#poster.close();
  }

  /** What of the groups as they are now has not been delivered. */
  #want(): void {
    if (!this.#feed.isCurrent || !this.#duty.isOnDuty) return;
    const wanted = new Set<string>();
    for (const { key: service, index, set } of this.#feed.sets.values()) {
      for (const group of set.groups) {
        const key = groupKey(service, group);
        wanted.add(laneName(key));
        const body = (): string => changedMessage(key, group, { ...set, index });
        this.#deliveries.want({ key, index, revision: set.revision, isRemoval: false, body });
      }
    }
    for (const { key, index } of this.#deliveries.states) {
      if (wanted.has(laneName(key))) continue;
      const { revision } = this.#feed;
      const decidedAtMs = Date.now();
      const body = (): string => removedMessage(key, { index, revision, decidedAtMs });
      this.#deliveries.want({ key, index, revision, isRemoval: true, body });
    }
    this.#tell();
  }

  async #send(delivery: Delivery): Promise<DeliveryOutcome> {
    const { key, index, isRemoval } = delivery;
    const body = delivery.body();
    const id = messageId(this.#context.log.id, key, index, isRemoval);
    const headers = {
      'content-type': 'application/json',
      ...signMessage({ id, nowMs: Date.now(), body }, this.#settings.secrets),
    };
    const outcome = deliveryOutcome(await this.#poster.post(headers, body, this.#duty.signal));
    if (outcome.type === 'delivered') this.#delivered.add(serviceKeyText(key));
    else this.#context.logger.warn({ ...key, index, reason: outcome.reason }, 'not delivered');
    return outcome;
  }

  /** A change is with the receiver when all groups of its Service are. */
  #noteDelivered(): void {
    const nowMs = Date.now();
    for (const service of this.#delivered) {
      const indexed = this.#feed.sets.get(service);
      const isWhole = indexed?.set.groups.every((group) => {
        return this.#deliveries.indexOf(groupKey(indexed.key, group)) === indexed.index;
      });
      if (indexed !== undefined && isWhole === true) this.#changes.note(indexed, nowMs);
    }
    this.#delivered.clear();
    this.#changes.retain(this.#feed.sets);
  }

  #tell(): void {
    const states = this.#deliveries.states;
    const isDone = this.#feed.isCurrent && this.#deliveries.pending === 0 && states.every(({ error }) => error === '');
    if (isDone) this.#revision = this.#feed.revision;
    const groups = states.map(({ key, index, revision, deliveredAtMs, error }) => ({
      key,
      report: { index, revision, programmedAtMs: deliveredAtMs, error, targets: [] },
    }));
    const error = states.find((state) => state.error !== '')?.error ?? '';
    if (this.#duty.isOnDuty) {
      this.#duty.note({ groups, revision: this.#revision, error, skippedServices: new Map() });
    }
  }

  /** Nothing is sent before it is known what was. */
  async #restore(): Promise<void> {
    const earlier = await readEarlierReports(this.#context, this.#settings.loadBalancerClass);
    for (const state of earlier) this.#deliveries.restore(state);
  }

  #begin(): void {
    this.#want();
    this.#deliveries.pump();
  }

  readiness(): Readiness {
    const standby = this.#duty.standby();
    if (standby !== undefined) return standby;
    if (!this.#feed.isCurrent) return { isReady: false, reason: 'the target groups have not come yet' };
    const failing = this.#deliveries.states.find(({ error }) => error !== '');
    return failing === undefined ? READY : { isReady: false, reason: failing.error };
  }
}
