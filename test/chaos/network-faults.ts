/** What happens to NATS servers, to the Kubernetes API server, and to the connections of both. */
import { pick, type Random } from '../harness/cluster-changes.ts';
import { between, type FaultKind } from './fault.ts';
import type { World } from './world.ts';

export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    name: 'NATS server killed',
    weight: 2,
    choose: (world, random) => {
      const { server } = anyServer(world, random);
      return {
        name: 'NATS server killed',
        target: NATS,
        lastsMs: between(random, 200, 4000),
        begin: () => server.kill(),
        end: () => server.restart(),
      };
    },
  },
  {
    name: 'NATS server partitioned',
    weight: 2,
    choose: (world, random) => {
      const { index } = anyServer(world, random);
      const state = pick(random, ['held', 'cut'] as const);
      return {
        name: `NATS server partitioned (${state === 'held' ? 'silence' : 'refused'})`,
        target: NATS,
        lastsMs: between(random, 500, 5000),
        begin: () => world.bus.network?.setRoutes(index, state),
        end: () => world.bus.network?.setRoutes(index, 'passing'),
      };
    },
  },
  {
    name: 'NATS clients cut',
    weight: 2,
    choose: (world, random) => {
      const { name, index } = anyServer(world, random);
      return {
        name: 'NATS clients cut',
        target: `clients of ${name}`,
        lastsMs: 0,
        begin: () => world.bus.network?.breakClients(index),
        end: () => {},
      };
    },
  },
  {
    name: 'API server restarted with a compacted history',
    weight: 2,
    choose: ({ cluster }, random) => ({
      name: 'API server restarted with a compacted history',
      target: 'API server',
      lastsMs: between(random, 100, 2500),
      begin: () => {
        cluster.relay.set('cut');
        cluster.server.compact();
      },
      end: () => cluster.relay.set('passing'),
    }),
  },
  {
    name: 'API server upset',
    weight: 3,
    choose: ({ cluster }, random) => ({
      name: 'watch broken, or errors',
      target: 'watches',
      lastsMs: 0,
      begin: () => cluster.upset(random),
      end: () => {},
    }),
  },
];

/** One at a time: two of three would be no cluster any more, which is a test of its own. */
const NATS = 'NATS cluster';

function anyServer({ bus }: World, random: Random) {
  const servers = [...bus.nodes].map(([name, server], index) => ({ name, server, index }));
  return pick(random, servers);
}
