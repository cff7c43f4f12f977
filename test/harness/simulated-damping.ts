/** One Service's target groups under a clock that only moves when told: takes every step that is due, keeps what was published. */
import type { Registration, RegistrationSet, TargetGroupSet } from '@signalbox/contracts';
import { type DampingFacts, type DampingPolicy, DEFAULT_DAMPING, stepTargetGroups } from '@signalbox/registrations';

/** What the cluster says of an address; absent: nothing. */
export type Wish = 'active' | 'draining';

export interface Published {
  readonly atMs: number;
  readonly change: 'note' | 'update';
  readonly set: TargetGroupSet | undefined;
}

type Facts = Omit<DampingFacts, 'nowMs'>;

const USUAL: Facts = {
  cluster: 'readable',
  isPaused: false,
  confirmedRevision: 0,
  ruleAcks: new Map(),
  mayUpdate: true,
};

export class SimulatedDamping {
  nowMs = 1_000_000;
  revision = 1;
  set: TargetGroupSet | undefined;
  wantsUpdate = false;
  readonly published: Published[] = [];
  readonly decisions: Record<string, number> = {};
  readonly #policy: DampingPolicy;
  #facts: Facts = USUAL;
  #wanted: RegistrationSet | undefined;
  #wantedRevision = 1;
  #nextDeadlineMs: number | undefined;

  constructor(policy: Partial<DampingPolicy> = {}) {
    this.#policy = { ...DEFAULT_DAMPING, ...policy };
  }

  get nextDeadlineMs(): number | undefined {
    return this.#nextDeadlineMs;
  }

  /** The registrations of the Service are these; undefined: it has none. */
  want(registrations: RegistrationSet | undefined, facts: Partial<Facts> = {}): void {
    this.#facts = { ...this.#facts, ...facts };
    this.revision += 1;
    this.#wantedRevision = this.revision;
    this.#wanted = registrations;
    this.step();
  }

  face(facts: Partial<Facts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.step();
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let due = this.#nextDeadlineMs; due !== undefined && due <= untilMs; due = this.#nextDeadlineMs) {
      this.nowMs = due;
      this.step();
    }
    this.nowMs = untilMs;
  }

  /** As a new process finds it in the log. */
  restart(): void {
    this.set = this.set === undefined ? undefined : (JSON.parse(JSON.stringify(this.set)) as TargetGroupSet);
    this.step();
  }

  step(): void {
    const wanted = this.#wanted && {
      registrations: this.#wanted,
      revision: this.#wantedRevision,
      changedAtMs: this.nowMs,
    };
    const facts = { ...this.#facts, nowMs: this.nowMs };
    const step = stepTargetGroups({ before: this.set, wanted, revision: this.revision, policy: this.#policy, facts });
    this.#nextDeadlineMs = step.nextDeadlineMs;
    this.wantsUpdate = step.wantsUpdate;
    for (const [name, times] of Object.entries(step.decisions)) {
      this.decisions[name] = (this.decisions[name] ?? 0) + times;
    }
    if (step.change !== 'none') this.published.push({ atMs: this.nowMs, change: step.change, set: step.set });
    this.set = step.set;
  }

  /** `address state reason` of the first group. */
  get targets(): string[] {
    return (this.set?.groups[0]?.targets ?? []).map(({ address, state, reason }) => `${address} ${state} ${reason}`);
  }

  addressesIn(...states: readonly string[]): string[] {
    const targets = this.set?.groups[0]?.targets ?? [];
    return targets.filter(({ state }) => states.includes(state)).map(({ address }) => address);
  }

  get updates(): number {
    return this.published.filter(({ change }) => change === 'update').length;
  }
}

export function aRegistrationSet(
  wishes: Readonly<Record<string, Wish | undefined>>,
  parts: {
    readonly type?: 'pod' | 'node';
    readonly pods?: Readonly<Record<string, string>>;
  } & Partial<Registration> = {},
): RegistrationSet {
  const { type = 'pod', pods = {}, ...attributes } = parts;
  const targets = Object.entries(wishes).flatMap(([address, state]) => {
    if (state === undefined) return [];
    const pod = pods[address];
    const node = type === 'node' ? { node: `node-${address}` } : {};
    return [{ type, address, port: 8080, ...node, ...(pod === undefined ? {} : { pod }), weight: 1, state }];
  });
  const registration: Registration = {
    id: 'eu/shop/web:80/TCP',
    loadBalancerClass: '',
    portName: 'http',
    protocol: 'TCP',
    port: 80,
    addresses: ['203.0.113.7'],
    hostnames: [],
    sourceRanges: [],
    healthCheck: { type: 'tcp', port: 8080 },
    targets,
    ...attributes,
  };
  return { cluster: 'eu', namespace: 'shop', name: 'web', registrations: [registration] };
}

/** All of them active. */
export function actives(...addresses: readonly string[]): RegistrationSet {
  return aRegistrationSet(Object.fromEntries(addresses.map((address) => [address, 'active'])));
}
