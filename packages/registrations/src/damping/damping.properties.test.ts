/** What holds for every history of a Service, whatever its cluster, its people and the clock do. */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { aRegistrationSet, SimulatedDamping, type Wish } from '../../../../test/harness/simulated-damping.ts';
import { DEFAULT_DAMPING } from './damping-policy.ts';
import type { DampingFacts } from './members.ts';

vi.setConfig({ testTimeout: 60_000 });

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'];
const DAY_MS = 86_400_000;

interface Event {
  readonly waitMs: number;
  readonly wishes: readonly (Wish | undefined)[];
  readonly facts: Partial<Omit<DampingFacts, 'nowMs'>>;
}

const wish = fc.constantFrom<Wish | undefined>('active', 'active', 'active', 'draining', undefined);
const wishes = fc.array(wish, { minLength: ADDRESSES.length, maxLength: ADDRESSES.length });
const waitMs = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 90_000 }));
const facts = fc.record({
  cluster: fc.constantFrom<DampingFacts['cluster']>('readable', 'readable', 'readable', 'unreachable'),
  isPaused: fc.constantFrom(false, false, false, true),
  mayUpdate: fc.constantFrom(true, true, false),
});
const history = (usual: fc.Arbitrary<Event['facts']> = facts): fc.Arbitrary<Event[]> =>
  fc.array(fc.record({ waitMs, wishes, facts: usual }), { minLength: 1, maxLength: 25 });
const noTrouble = fc.constant({});

const wantedOf = (event: Event, type: 'node' | 'pod' = 'pod') =>
  aRegistrationSet(Object.fromEntries(ADDRESSES.map((address, i) => [address, event.wishes[i]])), { type });
const askedFor = (event: Event, state: Wish): string[] => ADDRESSES.filter((_, i) => event.wishes[i] === state);

function live(damping: SimulatedDamping, event: Event): void {
  damping.advance(event.waitMs);
  damping.face(event.facts);
  damping.want(wantedOf(event));
}

test('when nothing changes any more, it becomes what the cluster wants, and then is silent', () => {
  fc.assert(
    fc.property(history(), (events) => {
      const damping = new SimulatedDamping();
      for (const event of events) live(damping, event);
      damping.face({ cluster: 'readable', isPaused: false, mayUpdate: true });
      damping.advance(DAY_MS);
      const last = events.at(-1);
      if (last === undefined) return;
      expect(damping.addressesIn('active')).toEqual(askedFor(last, 'active'));
      expect(askedFor(last, 'draining')).toEqual(expect.arrayContaining(damping.addressesIn('draining')));
      expect(damping.addressesIn('pending', 'gone')).toEqual([]);
      expect(damping.set?.groups[0]?.held).toBe(undefined);
      expect(damping.nextDeadlineMs).toBe(undefined);
    }),
    { numRuns: 60 },
  );
});

test('without the guard a removal is in the same step as its registration', () => {
  const massRemoval = { ...DEFAULT_DAMPING.massRemoval, minShare: 0 };
  const facts = fc.record({ mayUpdate: fc.boolean() });
  fc.assert(
    fc.property(history(facts), (events) => {
      const damping = new SimulatedDamping({ massRemoval });
      for (const event of events) {
        live(damping, event);
        expect(askedFor(event, 'active')).toEqual(expect.arrayContaining(damping.addressesIn('active')));
      }
    }),
    { numRuns: 60 },
  );
});

test('a terminating target gets nothing new from the step on that says so, whatever the guard holds', () => {
  fc.assert(
    fc.property(history(fc.record({ cluster: facts.map(({ cluster }) => cluster) })), (events) => {
      const damping = new SimulatedDamping();
      for (const event of events) {
        live(damping, event);
        for (const address of askedFor(event, 'draining')) expect(damping.addressesIn('active')).not.toContain(address);
      }
    }),
    { numRuns: 60 },
  );
});

/** Of each node: how many revisions it is behind; undefined: it never acknowledged one. */
const lag = fc.constantFrom(undefined, 0, 0, 1, 7);
const lags = fc.array(lag, { minLength: ADDRESSES.length, maxLength: ADDRESSES.length });

test('a node is a target only once it has the rules, or had its time to load them', () => {
  fc.assert(
    fc.property(history(), fc.infiniteStream(lags), (events, lagsOfEvents) => {
      const damping = new SimulatedDamping();
      const oracle = new RulesOracle(damping);
      for (const event of events) {
        damping.advance(event.waitMs);
        oracle.check();
        const lagOf = lagsOfEvents.next().value ?? [];
        const acks = ADDRESSES.flatMap((address, i) => {
          const behindBy = lagOf[i];
          return behindBy === undefined ? [] : [[`node-${address}`, damping.revision - behindBy] as const];
        });
        oracle.face({ ...event.facts, ruleAcks: new Map(acks) });
        oracle.want(event);
      }
    }),
    { numRuns: 200 },
  );
});

test('a node that never acknowledges keeps nobody else out, and itself no longer than the limit', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(ADDRESSES, { minLength: 1 }), (dead) => {
      const damping = new SimulatedDamping();
      const alive = ADDRESSES.filter((address) => !dead.includes(address));
      // Somebody acknowledges, or nobody would be waited for.
      const acks = ['another', ...alive.map((address) => `node-${address}`)].map((node) => [node, DAY_MS] as const);
      damping.face({ ruleAcks: new Map(acks) });
      damping.want(aRegistrationSet(Object.fromEntries(ADDRESSES.map((each) => [each, 'active'])), { type: 'node' }));
      expect(damping.addressesIn('active')).toEqual(alive);
      damping.advance(DEFAULT_DAMPING.awaitRulesMs + DEFAULT_DAMPING.additions.maxDelayMs);
      expect(damping.addressesIn('active')).toEqual(ADDRESSES);
    }),
  );
});

test('no step takes more than a share of the members, of those that do not say themselves that they end', () => {
  fc.assert(
    fc.property(history(noTrouble), (events) => {
      const damping = new SimulatedDamping();
      for (const event of events) {
        damping.advance(event.waitMs);
        const terminating = new Set(askedFor(event, 'draining'));
        const members = damping.addressesIn('active').filter((address) => !terminating.has(address));
        const wereHeld = damping.targets.filter((text) => text.includes('mass-removal-guard')).length;
        damping.want(wantedOf(event));
        const kept = members.filter((address) => damping.addressesIn('active').includes(address));
        const isSmall = members.length - kept.length <= 1 + wereHeld;
        const enough = Math.ceil(members.length / 2);
        expect(isSmall || damping.addressesIn('active').length >= enough).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

describe('nothing is published that says nothing new', () => {
  test('looking again, at any time before the deadline, changes nothing', () => {
    fc.assert(
      fc.property(history(), fc.double({ min: 0, max: 1, noNaN: true }), (events, share) => {
        const damping = new SimulatedDamping();
        for (const event of events) {
          live(damping, event);
          const { set, published } = damping;
          const count = published.length;
          damping.step();
          const deadlineMs = damping.nextDeadlineMs ?? damping.nowMs + DAY_MS;
          damping.nowMs += Math.floor((deadlineMs - damping.nowMs - 1) * share);
          damping.step();
          expect(damping.set).toBe(set);
          expect(published).toHaveLength(count);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('the order of targets never matters', () => {
    fc.assert(
      fc.property(history(), (events) => {
        const [straight, reversed] = [new SimulatedDamping(), new SimulatedDamping()];
        for (const event of events) {
          live(straight, event);
          reversed.advance(event.waitMs);
          reversed.face(event.facts);
          const { registrations, ...set } = wantedOf(event);
          const turned = registrations.map((each) => ({ ...each, targets: each.targets.toReversed() }));
          reversed.want({ ...set, registrations: turned });
          expect(reversed.set).toEqual(straight.set);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('a restart goes on as if there had been none', () => {
  fc.assert(
    fc.property(history(), fc.infiniteStream(fc.boolean()), (events, restarts) => {
      const [steady, restarted] = [new SimulatedDamping(), new SimulatedDamping()];
      for (const event of events) {
        live(steady, event);
        live(restarted, event);
        if (restarts.next().value === true) restarted.restart();
        expect(restarted.set).toEqual(steady.set);
        expect(restarted.nextDeadlineMs).toBe(steady.nextDeadlineMs);
      }
      steady.advance(DAY_MS);
      restarted.advance(DAY_MS);
      expect(restarted.published).toEqual(steady.published);
    }),
    { numRuns: 60 },
  );
});

test('a Service whose pods never stop changing does not grow', () => {
  const damping = new SimulatedDamping();
  let largest = 0;
  for (let round = 0; round < 350; round += 1) {
    damping.want(aRegistrationSet({ [`10.0.${round % 250}.${Math.floor(round / 250)}`]: 'active' }));
    damping.advance(700);
    largest = Math.max(largest, damping.set?.groups[0]?.targets.length ?? 0);
  }
  expect(largest).toBeLessThan(300);
});

/** When and with which revision each node was wanted, and what it has acknowledged. */
class RulesOracle {
  readonly #damping: SimulatedDamping;
  readonly #wanted = new Map<string, { readonly sinceMs: number; readonly revision: number }>();
  #acks: ReadonlyMap<string, number> = new Map();
  #active: ReadonlySet<string> = new Set();

  constructor(damping: SimulatedDamping) {
    this.#damping = damping;
  }

  face(facts: Partial<Omit<DampingFacts, 'nowMs'>>): void {
    this.#acks = facts.ruleAcks ?? this.#acks;
    this.#damping.face(facts);
    this.check();
  }

  want(event: Event): void {
    const asked = new Set(askedFor(event, 'active'));
    const revision = this.#damping.revision + 1;
    for (const address of ADDRESSES) {
      if (!asked.has(address)) this.#wanted.delete(address);
      else if (!this.#wanted.has(address)) this.#wanted.set(address, { sinceMs: this.#damping.nowMs, revision });
    }
    this.#damping.want(wantedOf(event, 'node'));
    this.check();
  }

  check(): void {
    const targets = this.#damping.set?.groups[0]?.targets ?? [];
    const active = targets.filter(({ state }) => state === 'active');
    for (const { address, sinceMs } of active.filter((target) => !this.#active.has(target.address))) {
      const wanted = this.#wanted.get(address);
      const hasRules = (this.#acks.get(`node-${address}`) ?? 0) >= (wanted?.revision ?? Number.POSITIVE_INFINITY);
      const hadTime = wanted !== undefined && sinceMs - wanted.sinceMs >= DEFAULT_DAMPING.awaitRulesMs;
      expect({ address, isRight: hasRules || hadTime || this.#acks.size === 0 }).toEqual({ address, isRight: true });
    }
    this.#active = new Set(active.map(({ address }) => address));
  }
}
