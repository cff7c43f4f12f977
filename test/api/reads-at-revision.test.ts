/**
 * What a read says of its revision: all up to it is in what is shown, and what was shown at a revision stays. However
 * layers batch their work, whichever of their replicas is ahead, and however late the log is read.
 */
import type { Layer, ServiceKey } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { documentAt, objectAt, type Store, stateRevision, targetGroupSet, targetsRevision } from '@signalbox/store';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type HeldLog, holdableLog } from '../harness/held-log.ts';
import { decided, putTargets } from './target-world.ts';
import { aService, derive, openWorld, put, remove, type World, watermark, withdraw } from './world.ts';

const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];
const DERIVING = ['proxy', 'dns'] as const;

const aName = fc.constantFrom(...NAMES);
const aLayer = fc.constantFrom(...DERIVING);
const aStep = fc.oneof(
  fc.record({ do: fc.constant('change' as const), name: aName, isRemoved: fc.boolean() }),
  fc.record({ do: fc.constant('derive' as const), layer: aLayer, name: aName }),
  fc.record({ do: fc.constant('watermark' as const), layer: aLayer }),
  fc.record({ do: fc.constant('hold' as const) }),
  fc.record({ do: fc.constant('read' as const) }),
);
type Step = typeof aStep extends fc.Arbitrary<infer Value> ? Value : never;

test('at each revision, all up to it is in what is shown, and it stays', async () => {
  const someSteps = fc.array(aStep, { minLength: 1, maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(someSteps, async (steps) => {
      await using log = openLog();
      await using world = await openWorld({ log });
      const plane = new Plane(log);
      const shown = new Map<number, string>();
      for (const step of [...steps, { do: 'read' } as const]) {
        await take(step, { log, plane });
        if (step.do === 'read') await readAll({ log, world, plane, shown });
      }
      for (const [revision, state] of shown) expect(JSON.stringify(stateAt(world.store, revision))).toBe(state);
    }),
    { numRuns: 150 },
  );
});

test('target groups are answered for a revision once all that was decided for it is stored', async () => {
  await using log = openLog();
  await using world = await openWorld({ log });
  const key = keyOf('a');
  log.hold();
  await putTargets(log, keyOf('b'), [], { revision: 1 });
  await putTargets(log, key, ['10.0.0.1'], { revision: 2 });
  await decided(log, 2);
  // The group's first message is gone: between the watermark and this one the store has nothing of the group.
  await putTargets(log, key, ['10.0.0.2'], { revision: 3 });
  const seen: unknown[] = [];
  world.projector.onProgress(() => {
    const group = targetGroupSet(world.store, { ...key, loadBalancerClass: '' });
    seen.push([targetsRevision(world.store), group?.set.revision]);
  });
  log.release();
  await world.projector.processAll();
  expect(seen).toEqual([
    [undefined, undefined],
    [undefined, 3],
    [2, 3],
  ]);
});

/** What happened to each Service, and how far which layer has it. A Service is a partition, with an owner of its own. */
class Plane {
  readonly #log: EventLog;
  readonly #changes: Readonly<Record<Name, { readonly revision: number; readonly isRemoved: boolean }[]>> = {
    a: [],
    b: [],
    c: [],
  };
  readonly #derivedTo = new Map<string, number>();
  #head = 0;

  constructor(log: EventLog) {
    this.#log = log;
  }

  async change(name: Name, isRemoved: boolean): Promise<void> {
    const service = aService(name);
    this.#head = isRemoved ? await remove(this.#log, 'c1', service) : await put(this.#log, 'c1', service);
    this.#changes[name].push({ revision: this.#head, isRemoved });
  }

  /** All changes since the last time at once, as a worker does that was busy. */
  async derive(layer: Layer, name: Name): Promise<void> {
    const last = this.#changes[name].at(-1);
    const before = this.#reached(layer, name);
    this.#derivedTo.set(`${layer} ${name}`, this.#head);
    if (last === undefined || last.revision <= before) return;
    if (last.isRemoved) await withdraw(this.#log, layer, keyOf(name));
    else await derive(this.#log, layer, { key: keyOf(name), revision: last.revision, document: null });
  }

  /** The least of the layer's partitions. The layer that this is not about is never the last. */
  async watermark(layer: Layer): Promise<void> {
    await watermark(this.#log, Math.min(...NAMES.map((name) => this.#reached(layer, name))), { layers: [layer] });
    await watermark(this.#log, this.#head, { layers: ['lb'] });
  }

  /** What may be shown of a Service at a revision: the change before it, or one after it; undefined: nothing. */
  allowed(name: Name, revision: number): (number | undefined)[] {
    const changes = this.#changes[name];
    const next = changes.findIndex((change) => change.revision > revision);
    const first = (next === -1 ? changes.length : next) - 1;
    const later = changes.slice(Math.max(0, first)).map((change) => (change.isRemoved ? undefined : change.revision));
    return first < 0 ? [undefined, ...later] : later;
  }

  #reached(layer: Layer, name: Name): number {
    return this.#derivedTo.get(`${layer} ${name}`) ?? 0;
  }
}

async function take(step: Step, { log, plane }: { log: HeldLog; plane: Plane }): Promise<void> {
  if (step.do === 'change') await plane.change(step.name, step.isRemoved);
  else if (step.do === 'derive') await plane.derive(step.layer, step.name);
  else if (step.do === 'watermark') await plane.watermark(step.layer);
  else if (step.do === 'hold') log.hold();
  else log.release();
}

interface Reading {
  readonly log: HeldLog;
  readonly world: World;
  readonly plane: Plane;
  /** By revision that was answered for. */
  readonly shown: Map<number, string>;
}

/** Looks after every transaction of the store, not only at the end. */
async function readAll({ world: { store, projector }, plane, shown }: Reading): Promise<void> {
  const look = (): void => {
    const { revision } = stateRevision(store);
    for (let at = 1; at <= (revision ?? 0); at += 1) expectWhole(store, plane, at);
    if (revision !== undefined) shown.set(revision, shown.get(revision) ?? JSON.stringify(stateAt(store, revision)));
  };
  const stopLooking = projector.onProgress(look);
  await projector.processAll();
  stopLooking();
  look();
}

function expectWhole(store: Store, plane: Plane, revision: number): void {
  const state = stateAt(store, revision);
  for (const name of NAMES) {
    const allowed = plane.allowed(name, revision);
    for (const [what, found] of Object.entries(state[name] ?? {})) {
      expect(allowed, `${what} ${name} at revision ${revision}`).toContain(found);
    }
  }
}

/** Of each Service the revision of its object and of its documents. */
function stateAt(store: Store, revision: number): Record<string, Record<string, number | undefined>> {
  const of = (name: Name) => ({
    object: objectAt(store, { kind: 'Service', ...keyOf(name) }, revision)?.revision,
    ...Object.fromEntries(
      DERIVING.map((layer) => [layer, documentAt(store, { layer, key: keyOf(name), revision })?.revision]),
    ),
  });
  return Object.fromEntries(NAMES.map((name) => [name, of(name)]));
}

function keyOf(name: string): ServiceKey {
  return { cluster: 'c1', namespace: 'shop', name };
}

function openLog(): HeldLog & AsyncDisposable {
  const log = holdableLog(openSqliteEventLog({ path: ':memory:' }));
  const dispose = async (): Promise<void> => {
    log.release();
    await log.close();
  };
  return Object.assign(log, { [Symbol.asyncDispose]: dispose });
}
