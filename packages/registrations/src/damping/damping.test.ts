/** The cases of damping, one by one: what is told of each target, and when. */
import { describe, expect, test } from 'vitest';
import { actives, aRegistrationSet, SimulatedDamping } from '../../../../test/harness/simulated-damping.ts';

const TEN = Array.from({ length: 10 }, (_, i) => `10.0.0.${i}`);
const [A, B, C, D] = ['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.3'] as const;

function dampingOf(addresses: readonly string[], ...policy: ConstructorParameters<typeof SimulatedDamping>) {
  const damping = new SimulatedDamping(...policy);
  damping.want(actives(...addresses));
  return damping;
}

describe('additions', () => {
  test('wait until a second after the last one', () => {
    const damping = dampingOf([A]);
    damping.want(actives(A, B));
    damping.advance(900);
    damping.want(actives(A, B, C));
    damping.advance(999);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} pending batching`, `${C} pending batching`]);
    damping.advance(1);
    expect(damping.addressesIn('active')).toEqual([A, B, C]);
    expect(damping.updates).toBe(2);
  });

  test('wait five seconds at most while others keep coming', () => {
    const damping = dampingOf([A]);
    const startMs = damping.nowMs;
    for (const [i] of TEN.entries()) {
      damping.want(actives(...TEN.slice(0, i + 1)));
      damping.advance(600);
    }
    expect(damping.published.filter(({ change }) => change === 'update').map(({ atMs }) => atMs - startMs)).toEqual([
      0, 5_600,
    ]);
  });

  test('go along with a removal, which waits for nobody', () => {
    const damping = dampingOf([A, B]);
    damping.want(actives(A, B, C));
    damping.want(actives(A, C));
    expect(damping.targets).toEqual([`${A} active ready`, `${B} draining removed`, `${C} active ready`]);
    expect(damping.updates).toBe(2);
  });

  test('wait for the class, and then for nothing else', () => {
    const damping = dampingOf([A]);
    damping.face({ mayUpdate: false });
    damping.want(actives(A, B));
    damping.advance(1_000);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} pending rate-limited`]);
    expect(damping.wantsUpdate).toBe(true);
    damping.face({ mayUpdate: true });
    expect(damping.addressesIn('active')).toEqual([A, B]);
  });

  test('that are gone before they came were never told of', () => {
    const damping = dampingOf([A]);
    damping.want(actives(A, B));
    damping.want(actives(A));
    expect(damping.targets).toEqual([`${A} active ready`, `${B} gone removed`]);
    expect(damping.updates).toBe(1);
  });
});

describe('removals', () => {
  test('a terminating target drains as long as it serves, and is gone when it is', () => {
    const damping = dampingOf([A, B]);
    damping.want(aRegistrationSet({ [A]: 'active', [B]: 'draining' }));
    expect(damping.targets).toEqual([`${A} active ready`, `${B} draining terminating`]);
    damping.advance(3_600_000);
    expect(damping.addressesIn('draining')).toEqual([B]);
    damping.want(actives(A));
    expect(damping.targets).toEqual([`${A} active ready`, `${B} draining removed`]);
    damping.advance(5_000);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} gone removed`]);
    damping.advance(299_999);
    expect(damping.addressesIn('gone')).toEqual([B]);
    damping.advance(1);
    expect(damping.targets).toEqual([`${A} active ready`]);
  });

  test('what vanishes keeps its connections for 30 s, and is taken out 5 s later', () => {
    const damping = dampingOf([A, B]);
    damping.want(actives(A));
    damping.advance(34_999);
    expect(damping.addressesIn('draining')).toEqual([B]);
    damping.advance(1);
    expect(damping.addressesIn('gone')).toEqual([B]);
  });

  test('what has drained is taken out with the next update', () => {
    const damping = dampingOf([A, B, C, D]);
    damping.want(actives(A, C, D));
    damping.advance(20_000);
    damping.want(actives(A, D));
    damping.advance(12_000);
    const another = '10.0.0.9';
    damping.want(actives(A, D, another));
    expect(damping.addressesIn('draining')).toEqual([B, C]);
    damping.advance(1_000);
    expect(damping.targets.slice(1, 3)).toEqual([`${B} gone removed`, `${C} draining removed`]);
    expect(damping.addressesIn('active')).toEqual([A, D, another]);
    expect(damping.updates).toBe(4);
  });

  test('a Service that is gone takes its groups along', () => {
    const damping = dampingOf(TEN);
    damping.want(undefined);
    expect(damping.set).toBe(undefined);
  });
});

describe('a flapping target', () => {
  function flap(damping: SimulatedDamping, times: number): void {
    for (let i = 0; i < times; i += 1) {
      damping.want(actives(A));
      damping.advance(1_000);
      damping.want(actives(A, B));
      damping.advance(9_000);
    }
  }

  test('is held down after its third departure, and back when it has behaved for long enough', () => {
    const damping = dampingOf([A, B]);
    flap(damping, 2);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} active ready`]);
    flap(damping, 1);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} draining flapping`]);
    const { updates } = damping;
    flap(damping, 20);
    expect(damping.updates - updates).toBe(1); // it has drained
    damping.advance(300_000);
    expect(damping.targets).toEqual([`${A} active ready`, `${B} active ready`]);
    expect(damping.decisions).toMatchObject({ removed: 3 });
  });

  test('is not held down for the departures of another Pod that had its address', () => {
    const damping = dampingOf([A, B]);
    flap(damping, 3);
    damping.want(aRegistrationSet({ [A]: 'active', [B]: 'active' }, { pods: { [B]: 'web-1' } }));
    damping.advance(300_000);
    damping.want(actives(A));
    expect(damping.addressesIn('active')).toEqual([A]);
  });

  test('is not held down where that would leave less than the share of the guard', () => {
    const damping = dampingOf([A]);
    for (let i = 0; i < 10; i += 1) {
      damping.want(actives());
      damping.advance(1_000);
      damping.want(actives(A));
      expect(damping.addressesIn('active')).toEqual([A]);
      damping.advance(1_000);
    }
    expect(damping.decisions.unsuppressed).toBeGreaterThan(5);
  });
});

describe('the mass-removal guard', () => {
  test('keeps half of what was there, until its time limit', () => {
    const damping = dampingOf(TEN);
    damping.want(actives());
    expect(damping.addressesIn('draining')).toEqual(TEN.slice(0, 5));
    expect(damping.targets.slice(5)).toEqual(TEN.slice(5).map((address) => `${address} active mass-removal-guard`));
    expect(damping.set?.groups[0]?.held).toEqual({ targets: 5, untilMs: damping.nowMs + 60_000 });
    damping.advance(59_999);
    expect(damping.addressesIn('active')).toEqual(TEN.slice(5));
    damping.advance(1);
    expect(damping.addressesIn('active')).toEqual([]);
    expect(damping.decisions).toMatchObject({ 'guard-held': 5, 'guard-expired': 5, removed: 10 });
  });

  test('lets go what is confirmed, up to the revision', () => {
    const damping = dampingOf(TEN);
    damping.want(actives());
    damping.face({ confirmedRevision: damping.revision - 1 });
    expect(damping.addressesIn('active')).toHaveLength(5);
    damping.face({ confirmedRevision: damping.revision });
    expect(damping.addressesIn('active')).toEqual([]);
    expect(damping.decisions.confirmed).toBe(5);
  });

  test('is not got round by many small steps', () => {
    const damping = dampingOf(TEN);
    for (const [i] of TEN.entries()) {
      damping.want(actives(...TEN.slice(i + 1)));
      damping.advance(1_000);
    }
    expect(damping.addressesIn('active')).toEqual(TEN.slice(5));
  });

  test('lets go when others have come, or the same are back', () => {
    const damping = dampingOf(TEN);
    damping.want(actives());
    damping.want(actives(...TEN.slice(5, 7)));
    expect(damping.targets.filter((text) => text.endsWith('ready'))).toHaveLength(2);
    const others = TEN.map((address) => `1${address}`);
    damping.want(actives(...others));
    damping.advance(5_000);
    expect(damping.addressesIn('active')).toEqual(others);
    expect(damping.set?.groups[0]?.held).toBe(undefined);
  });

  test('looks again when the removals that it counts are no longer recent, whether or not something changes', () => {
    const damping = dampingOf([A, B, C, D]);
    damping.want(actives(A, B, C));
    damping.advance(30_000);
    damping.want(actives(A));
    expect(damping.addressesIn('active')).toHaveLength(2);
    damping.advance(29_999);
    expect(damping.addressesIn('active')).toHaveLength(2);
    damping.advance(1);
    expect(damping.addressesIn('active')).toEqual([A]);
  });

  test('does not hold what terminates: it said so itself', () => {
    const damping = dampingOf(TEN);
    damping.want(aRegistrationSet(Object.fromEntries(TEN.map((address) => [address, 'draining']))));
    expect(damping.addressesIn('active')).toEqual([]);
    expect(damping.decisions).toEqual({ added: 10, drained: 10 });
  });

  test('does not hold one target alone', () => {
    const damping = dampingOf([A]);
    damping.want(actives());
    expect(damping.addressesIn('active')).toEqual([]);
  });

  test('leaves a rolling update alone, in which each goes after another has come', () => {
    const damping = dampingOf([A, B, C, D]);
    const next = [A, B, C, D].map((address) => `1${address}`);
    for (const [i, address] of [A, B, C, D].entries()) {
      const old = [A, B, C, D].slice(i);
      damping.want(actives(...old, ...next.slice(0, i + 1)));
      damping.advance(1_500);
      damping.want(actives(...old.slice(1), ...next.slice(0, i + 1)));
      expect(damping.addressesIn('active')).not.toContain(address);
      damping.advance(1_500);
    }
    expect(damping.addressesIn('active')).toEqual(next);
    expect(damping.decisions['guard-held']).toBe(undefined);
  });
});

describe('a cluster', () => {
  test('that cannot be read keeps its targets, except those that say that they end', () => {
    const damping = dampingOf([A, B, C, D]);
    damping.face({ cluster: 'unreachable' });
    expect(damping.updates).toBe(1);
    damping.want(aRegistrationSet({ [A]: 'active', [B]: 'draining' }));
    damping.advance(86_400_000);
    expect(damping.targets).toEqual([
      `${A} active cluster-unreachable`,
      `${B} draining terminating`,
      `${C} active cluster-unreachable`,
      `${D} active cluster-unreachable`,
    ]);
    damping.face({ cluster: 'readable' });
    expect(damping.targets).toEqual([
      `${A} active ready`,
      `${B} draining terminating`,
      `${C} draining removed`,
      `${D} active mass-removal-guard`,
    ]);
  });

  test('that is lost keeps its last known targets for an hour, and goes whole', () => {
    const damping = dampingOf(TEN);
    damping.want(undefined, { cluster: 'lost' });
    damping.advance(3_599_999);
    expect(damping.targets).toEqual(TEN.map((address) => `${address} active cluster-unreachable`));
    expect(damping.updates).toBe(1);
    damping.advance(1);
    expect(damping.addressesIn('draining')).toEqual(TEN);
    damping.advance(35_000);
    expect(damping.set).toBe(undefined);
  });

  test('that was lost and is back has lost nothing', () => {
    const damping = dampingOf(TEN);
    damping.want(undefined, { cluster: 'lost' });
    damping.advance(3_000_000);
    damping.want(actives(...TEN), { cluster: 'readable' });
    expect(damping.targets).toEqual(TEN.map((address) => `${address} active ready`));
    expect(damping.updates).toBe(1);
  });
});

test('nothing changes while paused, and a pause is no way round the guard', () => {
  const damping = dampingOf([A, B, C]);
  damping.face({ isPaused: true });
  damping.want(actives(C, D));
  damping.advance(86_400_000);
  expect(damping.targets).toEqual([
    `${A} active paused`,
    `${B} active paused`,
    `${C} active ready`,
    `${D} pending paused`,
  ]);
  expect(damping.updates).toBe(1);
  damping.face({ isPaused: false });
  expect(damping.addressesIn('active')).toEqual([C, D]);
});

describe('a node target', () => {
  const nodes = (...addresses: readonly string[]) =>
    aRegistrationSet(Object.fromEntries(addresses.map((address) => [address, 'active'])), { type: 'node' });

  test('waits until its node has acknowledged the rules', () => {
    const damping = new SimulatedDamping();
    damping.face({ ruleAcks: new Map([[`node-${A}`, 1]]) });
    damping.want(nodes(A, B));
    expect(damping.targets).toEqual([`${A} pending awaiting-rules`, `${B} pending awaiting-rules`]);
    damping.face({ ruleAcks: new Map([[`node-${A}`, damping.revision]]) });
    expect(damping.addressesIn('active')).toEqual([A]);
  });

  test('does not wait for ever for a node that is dead', () => {
    const damping = new SimulatedDamping();
    damping.face({ ruleAcks: new Map([['another', 1]]) });
    damping.want(nodes(A));
    damping.advance(9_999);
    expect(damping.addressesIn('active')).toEqual([]);
    damping.advance(1);
    expect(damping.addressesIn('active')).toEqual([A]);
    expect(damping.decisions).toMatchObject({ 'rules-awaited': 1, 'rules-overdue': 1 });
  });

  test('waits for nobody where no node acknowledges', () => {
    const damping = new SimulatedDamping();
    damping.want(nodes(A));
    expect(damping.addressesIn('active')).toEqual([A]);
  });
});

test('what a load balancer does not have to do with is a note, not an update', () => {
  const damping = dampingOf([A]);
  damping.want(actives(A, B));
  damping.want(aRegistrationSet({ [A]: 'active', [B]: 'active' }, { pods: { [A]: 'web-0' } }));
  expect(damping.published.map(({ change }) => change)).toEqual(['update', 'note', 'note']);
  damping.want(aRegistrationSet({ [A]: 'active', [B]: 'active' }, { sourceRanges: ['192.0.2.0/24'] }));
  expect(damping.published.at(-1)?.change).toBe('update');
});
