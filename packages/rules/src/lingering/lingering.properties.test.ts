/** Whatever comes and goes, whoever acknowledges: what lingers is right, and in nobody's way. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedRemovals } from '../../../../test/harness/simulated-removals.ts';
import { type Contents, listed, runStep } from '../../../../test/packets/kernel-model.ts';
import { somePlans } from '../../../../test/packets/plan-arbitraries.ts';
import { CompiledServices, NodeRules, type RenderOptions, RULES_BACKENDS, type RulesScript } from '../index.ts';
import { entriesOf, type NodePlan } from '../node-plan.ts';
import { servedPart } from './lingering-plan.ts';

const LIMIT_MS = 3_000;
const TTL_MS = 1_000;
const NODE = { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] };
const NOBODY = Number.POSITIVE_INFINITY;

/** `behind` is how many revisions consumers lack; NOBODY: there are none. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ plans: somePlans }) },
  { weight: 1, arbitrary: fc.record({ layer: fc.constantFrom('dns', 'lb'), behind: fc.constantFrom(0, 1, NOBODY) }) },
  { weight: 1, arbitrary: fc.record({ advanceMs: fc.constantFrom(1, 500, 1_000, 2_000) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const history = fc.array(step, { minLength: 3, maxLength: 12 });

function take(simulated: SimulatedRemovals, each: Step) {
  if ('plans' in each) return simulated.have(...each.plans);
  if ('advanceMs' in each) return simulated.advance(each.advanceMs);
  const revision = each.behind === NOBODY ? NOBODY : Math.max(0, simulated.revision - each.behind);
  return simulated.acknowledge({ [each.layer]: revision });
}

function newSimulation(): SimulatedRemovals {
  return new SimulatedRemovals({ timeLimitMs: LIMIT_MS, ttlMs: TTL_MS });
}

function compiled(plans: readonly NodePlan[], family: 'IPv4' | 'IPv6'): CompiledServices {
  const services = new CompiledServices(family, NODE);
  services.apply(plans.map((plan) => ({ key: plan, plan })));
  return services;
}

describe('at every moment', () => {
  test('the plans themselves are programmed as they are, and get all that they get without what lingers', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const simulated = newSimulation();
        for (const each of steps) {
          take(simulated, each);
          const own = simulated.programmed.filter(({ lingeringEntries }) => lingeringEntries === undefined);
          expect(new Set(own)).toEqual(new Set(simulated.current));
          for (const family of ['IPv4', 'IPv6'] as const) {
            const [withIt, without] = [compiled(simulated.programmed, family), compiled(simulated.current, family)];
            expect(withIt.all().filter(({ id }) => !id.includes('~'))).toEqual(without.all());
            expect(withIt.skipped()).toEqual(without.skipped());
          }
        }
      }),
    );
  });

  test('what lingers is what was let go, served, and is neither had by a service nor acknowledged nor overdue', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const simulated = newSimulation();
        const oracle = new Oracle(simulated);
        for (const each of steps) {
          const before = simulated.current;
          take(simulated, each);
          oracle.note(before);
          expect(simulated.entries).toEqual(oracle.entries());
          expect(simulated.size).toBe(simulated.entries.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('without consumers nothing is changed, added or kept back', () => {
  fc.assert(
    fc.property(fc.array(somePlans, { minLength: 1, maxLength: 5 }), (all) => {
      const simulated = newSimulation();
      for (const plans of all) {
        const gone = simulated.current.filter(({ name }) => !plans.some((plan) => plan.name === name));
        const changes = [
          ...gone.map((key) => ({ key, plan: undefined })),
          ...plans.map((plan) => ({ key: plan, plan })),
        ];
        expect(simulated.have(...plans)).toEqual(changes);
      }
    }),
  );
});

describe.for(RULES_BACKENDS)('the kernel with %s', { timeout: 60_000 }, (backend) => {
  test('holds the plans and what lingers, and in the end the plans alone', () => {
    const options: RenderOptions = { node: NODE, backend, families: ['IPv4', 'IPv6'], clusterCIDRs: ['10.244.0.0/16'] };
    fc.assert(
      fc.property(history, fc.boolean(), (steps, isAcknowledged) => {
        const simulated = newSimulation();
        const rules = new NodeRules(options);
        const kernel: Contents = new Map();
        run(kernel, rules.reset([]));
        for (const each of steps) {
          run(kernel, rules.update(take(simulated, each)));
        }
        run(kernel, rules.update([]));
        expect(listed(kernel)).toEqual(freshKernel(options, simulated.programmed));

        if (isAcknowledged) run(kernel, rules.update(simulated.acknowledge({ dns: NOBODY, lb: simulated.revision })));
        run(kernel, rules.update(simulated.advance(LIMIT_MS + TTL_MS)));
        run(kernel, rules.update([]));
        expect(simulated.size).toBe(0);
        expect(listed(kernel)).toEqual(freshKernel(options, simulated.current));
      }),
      { numRuns: 60 },
    );
  });
});

/** The same told without state machine: when each entry was let go last, and when that was acknowledged. */
class Oracle {
  readonly #simulated: SimulatedRemovals;
  readonly #left = new Map<string, { revision: number; sinceMs: number; acknowledgedAtMs: number | undefined }>();

  constructor(simulated: SimulatedRemovals) {
    this.#simulated = simulated;
  }

  note(before: readonly NodePlan[]): void {
    const { current, acknowledged } = this.#simulated;
    const isConsumed = Math.min(acknowledged.dns, acknowledged.lb) !== NOBODY;
    if (before !== current && isConsumed)
      for (const entry of before.flatMap((plan) => this.#letGoBy(plan))) this.#note(entry);
    for (const entry of current.flatMap((plan) => [...entriesOf(plan)])) this.#left.delete(entry);
    for (const entry of this.#left.keys()) if (this.#isOver(entry)) this.#left.delete(entry);
  }

  #note(entry: string): void {
    const { revision, nowMs } = this.#simulated;
    this.#left.set(entry, { revision, sinceMs: nowMs, acknowledgedAtMs: undefined });
  }

  #isOver(entry: string): boolean {
    const { nowMs, acknowledged } = this.#simulated;
    const { dns, lb } = acknowledged;
    const left = this.#left.get(entry);
    if (left === undefined) return true;
    if (Math.min(dns, lb) >= left.revision) left.acknowledgedAtMs ??= dns === NOBODY ? -NOBODY : nowMs;
    const { sinceMs, acknowledgedAtMs } = left;
    return nowMs >= (acknowledgedAtMs === undefined ? sinceMs + LIMIT_MS : acknowledgedAtMs + TTL_MS);
  }

  entries(): string[] {
    return [...this.#left.keys()].sort();
  }

  /** Served: by the endpoints that the service has after it, or had when it went. */
  #letGoBy(plan: NodePlan): string[] {
    const now = this.#simulated.current.find(({ name }) => name === plan.name);
    const kept = now === undefined ? new Set() : entriesOf(now);
    const alive = now?.ports.flatMap(({ endpoints }) => endpoints);
    const ports = plan.ports.map((port) => {
      const same = now?.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol);
      const known = port.endpoints.flatMap(
        (one) => alive?.filter(({ address }) => address === one.address).at(-1) ?? [],
      );
      return { ...port, endpoints: now === undefined ? port.endpoints : (same?.endpoints ?? known) };
    });
    return [...entriesOf(servedPart({ ...plan, ports }))].filter((entry) => !kept.has(entry));
  }
}

function run(kernel: Contents, { steps }: RulesScript): void {
  for (const each of steps) runStep(kernel, each);
}

function freshKernel(options: RenderOptions, plans: readonly NodePlan[]): string[] {
  const kernel: Contents = new Map();
  run(kernel, new NodeRules(options).reset(plans));
  return listed(kernel);
}
