/** The updates that each class has to give, and who waits for one. */
import { ClassBudget, type DampingPolicy, type DampingStep } from '@signalbox/registrations';

type UpdatesOf = (loadBalancerClass: string) => DampingPolicy['updates'];

export class ClassTurns {
  readonly #budgets = new Map<string, ClassBudget>();
  readonly #updatesOf: UpdatesOf;

  constructor(updatesOf: UpdatesOf) {
    this.#updatesOf = updatesOf;
  }

  /** Services that wait. */
  get waiting(): number {
    return [...this.#budgets.values()].reduce((sum, budget) => sum + budget.waiting, 0);
  }

  /** When the next of them can be given one; undefined when nobody waits. */
  nextMs(nowMs: number): number | undefined {
    const turns = [...this.#budgets].flatMap(([name, budget]) => budget.nextTurnMs(this.#updatesOf(name), nowMs) ?? []);
    return turns.length === 0 ? undefined : Math.min(...turns);
  }

  mayUpdate(loadBalancerClass: string, id: string, nowMs: number): boolean {
    return this.#budgetOf(loadBalancerClass, nowMs).mayUpdate(id, this.#updatesOf(loadBalancerClass), nowMs);
  }

  /** What a decision has used, and whether it wants more. */
  note(loadBalancerClass: string, id: string, step: Pick<DampingStep, 'usedUpdate' | 'wantsUpdate'>): void {
    const budget = this.#budgets.get(loadBalancerClass);
    if (step.usedUpdate) budget?.take(id);
    if (step.wantsUpdate) budget?.wait(id);
    else budget?.leave(id);
  }

  /** Calls for whoever's turn has come, as many as there are updates; who does nothing with it waits no longer. */
  give(nowMs: number, decide: (id: string) => void): void {
    for (const [name, budget] of this.#budgets) {
      const next = (): string | undefined => budget.next(this.#updatesOf(name), nowMs);
      for (let id = next(); id !== undefined; id = next()) {
        decide(id);
        if (next() === id) budget.leave(id);
      }
    }
  }

  #budgetOf(loadBalancerClass: string, nowMs: number): ClassBudget {
    const known = this.#budgets.get(loadBalancerClass);
    if (known !== undefined) return known;
    const budget = new ClassBudget(this.#updatesOf(loadBalancerClass), nowMs);
    this.#budgets.set(loadBalancerClass, budget);
    return budget;
  }
}
