import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DesiredServer } from '../config/proxy.ts';
import { NOWHERE } from '../config/render-config.ts';
import { planServers, type ServerCommand, slotCount } from './plan-servers.ts';
import type { ServerState } from './servers-state.ts';

function aServer(parts: Partial<DesiredServer> = {}): DesiredServer {
  return { address: '10.0.0.1', port: 80, checkPort: 80, weight: 1, admin: 'ready', ...parts };
}

function aSlot(number: number, parts: Partial<ServerState> = {}): ServerState {
  const state = { isUp: true, checkHealth: 4, isChecked: true, sinceSeconds: 10 };
  return { name: `s${number}`, ...NOWHERE, checkPort: 1, weight: 1, admin: 'maint', ...state, ...parts };
}

/** What HAProxy makes of commands, as far as plans go by it. */
function apply(current: readonly ServerState[], commands: readonly ServerCommand[]): ServerState[] {
  const slots = new Map(current.map((slot) => [slot.name, slot]));
  for (const command of commands) {
    const { server } = command;
    const slot = slots.get(server);
    if ((slot === undefined) !== (command.type === 'add')) throw new Error(`there is, or is no, ${server}`);
    if (command.type === 'delete') {
      if (slot?.admin !== 'maint') throw new Error(`not in maintenance: ${server}`);
      slots.delete(server);
    } else slots.set(server, changed(slot ?? { ...aSlot(0, { isChecked: false }), name: server }, command));
  }
  return [...slots.values()];
}

function changed(slot: ServerState, command: ServerCommand): ServerState {
  if (command.type === 'address') return { ...slot, address: command.address, port: command.port };
  if (command.type === 'check-port') return { ...slot, checkPort: command.port };
  if (command.type === 'weight') return { ...slot, weight: command.weight };
  if (command.type === 'enable-checks') return { ...slot, isChecked: true };
  return command.type === 'admin' ? { ...slot, admin: command.admin } : slot;
}

const texts = (commands: readonly ServerCommand[]): string[] =>
  commands.map((command) => Object.values(command).join(' '));

describe('planServers', () => {
  test.for([
    {
      name: 'nothing to do',
      current: [aSlot(1, { address: '10.0.0.1', port: 80, checkPort: 80, admin: 'ready' })],
      desired: [aServer()],
      plan: [],
    },
    {
      name: 'a new target gets a free slot: everything is set before it is made ready',
      current: [aSlot(1)],
      desired: [aServer({ weight: 3 })],
      plan: ['address s1 10.0.0.1 80', 'check-port s1 80', 'weight s1 3', 'admin s1 ready'],
    },
    {
      name: 'a target that drains keeps its checks',
      current: [aSlot(1, { address: '10.0.0.1', port: 80, checkPort: 80, admin: 'ready' })],
      desired: [aServer({ admin: 'drain' })],
      plan: ['admin s1 drain'],
    },
    {
      name: 'what comes is ready before what goes is out, and gets another slot',
      current: [aSlot(1, { address: '10.0.0.9', port: 80, checkPort: 80, admin: 'ready' }), aSlot(2)],
      desired: [aServer()],
      plan: ['address s2 10.0.0.1 80', 'check-port s2 80', 'admin s2 ready', 'admin s1 maint'],
    },
    {
      name: 'a target that comes back gets its old slot',
      current: [aSlot(1), aSlot(2, { address: '10.0.0.1', port: 80, checkPort: 80 })],
      desired: [aServer()],
      plan: ['admin s2 ready'],
    },
    {
      name: 'of two slots with one place one is taken out',
      current: [1, 2].map((n) => aSlot(n, { address: '10.0.0.1', port: 80, checkPort: 80, admin: 'ready' })),
      desired: [aServer()],
      plan: ['admin s2 maint'],
    },
    {
      name: 'checks that somebody has disabled are enabled',
      current: [aSlot(1, { address: '10.0.0.1', port: 80, checkPort: 80, admin: 'ready', isChecked: false })],
      desired: [aServer()],
      plan: ['enable-checks s1'],
    },
  ])('$name', ({ current, desired, plan }) => {
    expect(texts(planServers(current, desired).commands)).toEqual(plan);
  });

  test('slots double when there are too few', () => {
    const full = [1, 2, 3, 4].map((n) => aSlot(n, { address: `10.0.1.${n}`, port: 80, checkPort: 80, admin: 'ready' }));
    const desired = [1, 2, 3, 4, 5].map((n) => aServer({ address: `10.0.1.${n}` }));
    const { commands } = planServers(full, desired);
    expect(commands.filter(({ type }) => type === 'add').map(({ server }) => server)).toEqual(['s5', 's6', 's7', 's8']);
  });

  test('far too many slots are deleted, those in use are not', () => {
    const current = Array.from({ length: 32 }, (_, i) => aSlot(i + 1));
    const { deletions } = planServers(current, [], { mayShrink: true });
    expect(deletions).toHaveLength(28);
    expect(apply(current, deletions)).toHaveLength(slotCount(0));
  });
});

describe('for all states and wishes', () => {
  const place = fc.record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1'),
    port: fc.integer({ min: 1, max: 4 }),
  });
  const admin = fc.constantFrom('ready', 'drain', 'maint') as fc.Arbitrary<ServerState['admin']>;
  const slots = fc
    .array(fc.tuple(fc.oneof(place, fc.constant(NOWHERE)), admin, fc.boolean(), fc.integer({ min: 0, max: 3 })), {
      maxLength: 20,
    })
    .map((all) =>
      all.map(([at, state, isChecked, weight], i) => aSlot(i + 1, { ...at, admin: state, isChecked, weight })),
    );
  const wishes = fc
    .uniqueArray(fc.tuple(place, fc.constantFrom('ready', 'drain'), fc.integer({ min: 0, max: 256 })), {
      selector: ([{ address, port }]) => `${address} ${port}`,
      maxLength: 12,
    })
    .map((all) => all.map(([at, state, weight]) => aServer({ ...at, admin: state, weight, checkPort: at.port })));

  test('applying a plan gives exactly what is wanted, and planning again gives nothing', () => {
    fc.assert(
      fc.property(slots, wishes, fc.boolean(), (current, desired, mayShrink) => {
        const { commands, deletions } = planServers(current, desired, { mayShrink });
        const after = apply(current, [...commands, ...deletions]);
        const running = after
          .filter((slot) => slot.admin !== 'maint')
          .map(({ address, port, checkPort, weight, admin: state }) => ({
            address,
            port,
            checkPort,
            weight,
            admin: state,
          }));
        const inOrder = (servers: readonly DesiredServer[]): string[] =>
          servers.map((server) => JSON.stringify(server)).sort();
        expect(inOrder(running)).toEqual(inOrder(desired));
        expect(planServers(after, desired).commands).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
