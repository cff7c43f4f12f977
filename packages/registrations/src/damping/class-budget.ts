import type { DampingPolicy } from './damping-policy.ts';

/**
 * The updates of one class: a token bucket, and a queue in which every Service stands once. Who has had its turn and wants
 * another goes to the end, so a Service that always has changes gets no more than any other.
 */
export class ClassBudget {
  readonly #queue = new Set<string>();
  #tokens: number;
  #atMs: number;

  /** Full at first: what a restart finds changed is not held up. */
  constructor({ burst }: DampingPolicy['updates'], nowMs: number) {
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Whether this Service could be given an update right now: there is one, and nobody stands before it. */
  mayUpdate(service: string, policy: DampingPolicy['updates'], nowMs: number): boolean {
    this.#refill(policy, nowMs);
    const [first] = this.#queue;
    return this.#tokens >= 1 && (first === undefined || first === service);
  }

  /** The update was used. */
  take(service: string): void {
    this.#tokens -= 1;
    this.#queue.delete(service);
  }

  wait(service: string): void {
    this.#queue.add(service);
  }

  leave(service: string): void {
    this.#queue.delete(service);
  }

  /** Whose turn it is, when it has come. */
  next(policy: DampingPolicy['updates'], nowMs: number): string | undefined {
    this.#refill(policy, nowMs);
    const [first] = this.#queue;
    return this.#tokens >= 1 ? first : undefined;
  }

  /** When the next turn comes; undefined when nobody waits. */
  nextTurnMs({ perSecond }: DampingPolicy['updates'], nowMs: number): number | undefined {
    if (this.#queue.size === 0) return undefined;
    return this.#tokens >= 1 ? nowMs : this.#atMs + Math.ceil(((1 - this.#tokens) * 1000) / perSecond);
  }

  #refill({ perSecond, burst }: DampingPolicy['updates'], nowMs: number): void {
    const earned = (Math.max(0, nowMs - this.#atMs) * perSecond) / 1000;
    this.#tokens = Math.min(burst, this.#tokens + earned);
    this.#atMs = Math.max(nowMs, this.#atMs);
  }
}
