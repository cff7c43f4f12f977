/** The target-group controller as a service: its feeds, its loop, its place in the log. */
import { errorText } from '@signalbox/contracts';
import type { AppendEntry, LogBatch, LogMessage } from '@signalbox/event-log';
import {
  type Clock,
  clean,
  FencedPublisher,
  failureSignal,
  followStream,
  LEAD,
  type Membership,
  PASSIVE_TRACER,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
  SoleWriter,
  type StreamReader,
  SYSTEM_CLOCK,
  startCompaction,
} from '@signalbox/kit';
import { IntentFeed } from './target-groups/intent-feed.ts';
import { type TargetMetrics, targetMetrics } from './target-groups/metrics.ts';
import { RegistrationFeed } from './target-groups/registration-feed.ts';
import { ReportSweeper } from './target-groups/report-sweeper.ts';
import { RuleAckFeed, SourceFeed } from './target-groups/status-feeds.ts';
import { TargetGroupController } from './target-groups/target-group-controller.ts';

export interface RunningTargetGroups extends RunningService {
  /** All registrations up to this revision have been decided on, and published; -1 before the first round. */
  readonly revision: number;
}

interface TargetGroupsOptions {
  readonly clock?: Clock;
  /** Of the replicas that decide in turn: what the one before has on its way is fenced off. Absent: there is only this one. */
  readonly membership?: Membership;
}

const NAME = 'target-groups';

export async function startTargetGroups(
  context: ServiceContext,
  options: TargetGroupsOptions = {},
): Promise<RunningTargetGroups> {
  const service = new TargetGroupsService(context, options);
  await service.restore();
  service.run();
  return service;
}

class TargetGroupsService implements RunningTargetGroups {
  readonly name = NAME;
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #metrics: TargetMetrics;
  readonly #controller: TargetGroupController;
  readonly #feeds: readonly StreamReader[];
  readonly #sweeper: ReportSweeper;
  readonly #membership: Membership | undefined;
  readonly #publisher: FencedPublisher;
  /** Of one that has no replicas. */
  readonly #writer: SoleWriter;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #stopCompaction = (): void => {};
  #trouble = '';

  constructor(context: ServiceContext, { clock = SYSTEM_CLOCK, membership }: TargetGroupsOptions) {
    this.#membership = membership;
    const isValid = (): boolean => membership?.isValid ?? true;
    this.#publisher = new FencedPublisher({ log: context.log, stream: 'targets', partitionOf: () => LEAD, isValid });
    this.#writer = new SoleWriter({ log: context.log, stream: 'targets', unknown: 'absent' });
    this.#context = { ...context, logger: context.logger.child({ component: NAME }) };
    this.#metrics = targetMetrics(context.registry);
    const { logger } = this.#context;
    const onBadMessage = (): void => this.#metrics.badMessages.inc();
    const intents = new IntentFeed({
      logger,
      onBadMessage,
      onPolicy: (name) => this.#controller.touchClass(name),
      onConfirmation: (service) => this.#controller.touchService(service),
    });
    const sources = new SourceFeed({
      logger,
      onBadMessage,
      onChange: (cluster) => this.#controller.touchCluster(cluster),
    });
    const ruleAcks = new RuleAckFeed({
      logger,
      onBadMessage,
      onChange: (cluster) => this.#controller.touchAwaitingRules(cluster),
    });
    const registrations = new RegistrationFeed({
      logger,
      onBadMessage,
      onBatch: (changes, watermark) => this.#controller.applyRegistrations(changes, watermark),
    });
    this.#sweeper = new ReportSweeper({
      log: context.log,
      logger,
      onBadMessage,
      isThere: (group) => this.#controller.hasGroup(group),
    });
    this.#feeds = [registrations, intents, sources, ruleAcks, this.#sweeper];
    const publish = (entries: readonly AppendEntry[]): Promise<void> => this.#publish(entries);
    this.#controller = new TargetGroupController({
      clock,
      metrics: this.#metrics,
      tracer: context.tracer ?? PASSIVE_TRACER,
      intents,
      sources,
      ruleAcks,
      publish,
    });
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  get revision(): number {
    return this.#controller.revision;
  }

  readiness(): Readiness {
    if (this.#trouble !== '') return { isReady: false, reason: this.#trouble };
    if (this.revision < 0) return { isReady: false, reason: `${NAME}: reading registrations` };
    return READY;
  }

  /** The state is what was published: a restart goes on from there. */
  async restore(): Promise<void> {
    const isDirty = this.#membership?.slots.get(LEAD)?.isDirty === true;
    const dirty = new Set(isDirty ? [LEAD] : []);
    const messages = await this.#publisher.hold([LEAD], { dirty, read: () => this.#read() });
    if (isDirty) await this.#membership?.update((state) => clean(state, this.#membership?.id ?? '', [LEAD]));
    const { lastSequence: head } = await this.#context.log.info('objects');
    for (const message of messages) {
      this.#writer.note(message);
      try {
        this.#controller.restore(message, head);
      } catch (err) {
        this.#metrics.badMessages.inc();
        this.#context.logger.warn({ err, subject: message.subject }, 'target groups skipped');
      }
    }
  }

  async #read(): Promise<LogMessage[]> {
    const last = new Map<string, LogMessage>();
    for await (const batch of this.#context.log.follow('targets', { from: 'snapshot' })) {
      for (const message of batch.messages) last.set(message.subject, message);
      if (batch.isCaughtUp) break;
    }
    return [...last.values()];
  }

  run(): void {
    const { signal } = this.#stopping;
    this.#stopCompaction = startCompaction(this.#context.log, 'targets', this.#context.logger);
    const parts = [
      ...this.#feeds.map((feed) => followStream(this.#context, this.#waking(feed), signal)),
      this.#controller.run(signal),
      this.#sweeper.run(signal),
    ];
    this.#running = Promise.all(parts).catch((error: unknown) => {
      if (signal.aborted) return;
      this.#trouble = `${NAME}: ${errorText(error)}`;
      this.#fail(error);
    });
  }

  async stop(): Promise<void> {
    this.#stopCompaction();
    this.#stopping.abort();
    await this.#running;
  }

  /** Being caught up may be all that the controller waits for. */
  #waking(feed: StreamReader): StreamReader {
    const apply = (batch: LogBatch): void => {
      feed.apply(batch);
      this.#controller.wake();
    };
    const { stream, filter } = feed;
    return { stream, ...(filter && { filter }), beginReplay: () => feed.beginReplay(), apply };
  }

  async #publish(entries: readonly AppendEntry[]): Promise<void> {
    // Among replicas, what is refused or uncertain ends this one's turn: it reads everything anew before it goes on.
    if (this.#membership !== undefined) await this.#publisher.publish(entries);
    else await this.#publishAlone(entries);
    for (const { subject } of entries) this.#sweeper.note(subject);
  }

  async #publishAlone(entries: readonly AppendEntry[]): Promise<void> {
    const { logger } = this.#context;
    await this.#writer.appendRetrying(entries, {
      signal: this.#stopping.signal,
      onFailure: (err, text) => {
        this.#trouble = `${NAME}: cannot publish: ${text}`;
        logger.warn({ err }, 'publishing failed, trying again');
      },
    });
    this.#trouble = '';
  }
}
