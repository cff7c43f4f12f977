/** The OBJECTS stream's intents → the policy of each class, and what was confirmed of each Service. */
import {
  INTENT_CLUSTER,
  type LoadBalancerPolicySpec,
  loadBalancerConfirmationObjectSchema,
  loadBalancerPolicyObjectSchema,
  type ObjectKey,
  type ObjectMessage,
  objectsOfCluster,
  parseObjectSubject,
  serviceKeyText,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import type { Logger, StreamReader } from '@signalbox/kit';
import { type DampingPolicy, dampingPolicyOf } from '@signalbox/registrations';

export interface ClassPolicy {
  readonly damping: DampingPolicy;
  readonly isPaused: boolean;
  /** `cluster/namespace/name`. */
  readonly pausedServices: ReadonlySet<string>;
}

interface IntentFeedOptions {
  readonly logger: Logger;
  readonly onPolicy: (loadBalancerClass: string) => void;
  readonly onConfirmation: (service: string) => void;
  readonly onBadMessage: () => void;
}

export class IntentFeed implements StreamReader {
  readonly stream = 'objects';
  readonly filter = objectsOfCluster(INTENT_CLUSTER);
  readonly #options: IntentFeedOptions;
  readonly #specs = new Map<string, LoadBalancerPolicySpec>();
  readonly #policies = new Map<string, ClassPolicy>();
  readonly #confirmations = new Map<string, { readonly service: string; readonly revision: number }>();
  #isCaughtUp = false;

  constructor(options: IntentFeedOptions) {
    this.#options = options;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  policyOf(loadBalancerClass: string): ClassPolicy {
    const known = this.#policies.get(loadBalancerClass);
    if (known !== undefined) return known;
    // One per class is meant; of several the first name counts, as in the join that registrations are derived from.
    const [spec] = [...this.#specs]
      .filter(([, each]) => each.loadBalancerClass === loadBalancerClass)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, each]) => each);
    const policy = {
      damping: dampingPolicyOf(spec),
      isPaused: spec?.isPaused === true,
      pausedServices: new Set(spec?.pausedServices),
    };
    this.#policies.set(loadBalancerClass, policy);
    return policy;
  }

  /** Revision up to which removals of this Service are confirmed; 0: none. */
  confirmedRevision(service: string): number {
    const revisions = [...this.#confirmations.values()].filter((each) => each.service === service);
    return Math.max(0, ...revisions.map(({ revision }) => revision));
  }

  beginReplay(): void {
    this.#isCaughtUp = false;
    this.#specs.clear();
    this.#policies.clear();
    this.#confirmations.clear();
  }

  apply(batch: LogBatch): void {
    for (const message of batch.messages) this.#applyMessage(message);
    this.#isCaughtUp ||= batch.isCaughtUp;
  }

  #applyMessage({ subject, data }: LogMessage): void {
    try {
      const key = parseObjectSubject(subject);
      const object = data === null ? undefined : (JSON.parse(data) as ObjectMessage).object;
      if (key.kind === 'LoadBalancerPolicy') this.#applyPolicy(key, object);
      if (key.kind === 'LoadBalancerConfirmation') this.#applyConfirmation(key, object);
    } catch (error) {
      this.#options.logger.warn({ err: error, subject }, 'intent skipped');
      this.#options.onBadMessage();
    }
  }

  #applyPolicy({ name }: ObjectKey, object: unknown): void {
    const before = this.#specs.get(name);
    const after = object === undefined ? undefined : loadBalancerPolicyObjectSchema.parse(object).spec;
    if (after === undefined) this.#specs.delete(name);
    else this.#specs.set(name, after);
    for (const spec of [before, after]) {
      if (spec === undefined) continue;
      this.#policies.delete(spec.loadBalancerClass);
      this.#options.onPolicy(spec.loadBalancerClass);
    }
  }

  #applyConfirmation({ name }: ObjectKey, object: unknown): void {
    if (object === undefined) {
      this.#confirmations.delete(name);
      return;
    }
    const { service, revision } = loadBalancerConfirmationObjectSchema.parse(object).spec;
    const text = serviceKeyText(service);
    this.#confirmations.set(name, { service: text, revision });
    this.#options.onConfirmation(text);
  }
}
