import type { PlanEndpoint } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { type PolicyUse, selectEndpoints } from './select-endpoints.ts';

const NODE = { name: 'n1', zone: 'z1', addresses: [] };
const BOTH: PolicyUse = { usesCluster: true, usesLocal: true };
const READY = { ready: true, serving: true, terminating: false };
const DRAINING = { ready: false, serving: true, terminating: true };
const GONE = { ready: false, serving: false, terminating: true };
const STARTING = { ready: false, serving: false, terminating: false };

let nextAddress = 0;

function an(state: typeof READY, rest: Partial<PlanEndpoint> = {}): PlanEndpoint {
  nextAddress += 1;
  return { address: `10.0.0.${nextAddress}`, family: 'IPv4', port: 80, ...state, ...rest };
}

interface Case {
  readonly name: string;
  readonly endpoints: readonly PlanEndpoint[];
  /** Indexes into `endpoints`. */
  readonly cluster: readonly number[];
  readonly local: readonly number[];
  readonly hasAny?: boolean;
  readonly use?: PolicyUse;
  readonly zone?: string | null;
}

const here = { node: 'n1' };
const there = { node: 'n2' };
const zone1 = { hintZones: ['z1'] };
const zone2 = { hintZones: ['z2'] };

describe('an endpoint is used', () => {
  test.for<Case>([
    {
      name: 'when ready, also on other nodes',
      endpoints: [an(READY, here), an(READY, there)],
      cluster: [0, 1],
      local: [0],
    },
    { name: 'never while starting', endpoints: [an(STARTING, here)], cluster: [], local: [], hasAny: false },
    { name: 'never when it no longer serves', endpoints: [an(GONE, here)], cluster: [], local: [], hasAny: false },
    {
      name: 'while draining, if none is ready',
      endpoints: [an(DRAINING, here), an(DRAINING, there)],
      cluster: [0, 1],
      local: [0],
    },
    {
      name: 'not while draining, if one is ready',
      endpoints: [an(DRAINING, there), an(READY, here)],
      cluster: [1],
      local: [1],
    },
    {
      name: 'locally while draining, if only others are ready',
      endpoints: [an(DRAINING, here), an(READY, there)],
      cluster: [1],
      local: [0],
    },
    {
      name: 'when published before it is ready',
      endpoints: [an({ ...READY, serving: false })],
      cluster: [0],
      local: [],
    },
    {
      name: 'for the policies in use only',
      endpoints: [an(READY, here)],
      cluster: [],
      local: [0],
      use: { usesCluster: false, usesLocal: true },
    },
  ])('$name', expectSelection);
});

describe('hints', () => {
  test.for<Case>([
    { name: 'keep traffic in the zone', endpoints: [an(READY, zone1), an(READY, zone2)], cluster: [0], local: [] },
    {
      name: 'are ignored when a ready endpoint has none',
      endpoints: [an(READY, zone1), an(READY, zone2), an(READY)],
      cluster: [0, 1, 2],
      local: [],
    },
    {
      name: 'are not asked of endpoints that are not ready',
      endpoints: [an(READY, zone1), an(READY, zone2), an(STARTING)],
      cluster: [0],
      local: [],
    },
    {
      name: 'are ignored when none is for this zone',
      endpoints: [an(READY, zone2), an(READY, zone2)],
      cluster: [0, 1],
      local: [],
    },
    {
      name: 'are ignored on a node without a zone',
      endpoints: [an(READY, zone1), an(READY, zone2)],
      cluster: [0, 1],
      local: [],
      zone: null,
    },
    {
      name: 'for the node go before those for the zone',
      endpoints: [an(READY, { ...zone1, hintNodes: ['n1'] }), an(READY, { ...zone1, hintNodes: ['n2'] })],
      cluster: [0],
      local: [],
    },
    {
      name: 'for other nodes leave those for the zone',
      endpoints: [an(READY, { ...zone1, hintNodes: ['n3'] }), an(READY, { ...zone2, hintNodes: ['n2'] })],
      cluster: [0],
      local: [],
    },
    {
      name: 'do not matter under the Local policy',
      endpoints: [an(READY, { ...here, ...zone2 }), an(READY, { ...there, ...zone1 })],
      cluster: [1],
      local: [0],
    },
    {
      name: 'do not matter while draining',
      endpoints: [an(DRAINING, zone2), an(DRAINING)],
      cluster: [0, 1],
      local: [],
    },
  ])('$name', expectSelection);
});

test('of two entries for one address and port the first one counts', () => {
  const other = an(READY, there);
  const own = { ...other, ...here };
  expect(selectEndpoints([other, own], 'IPv4', BOTH, NODE)).toEqual({ cluster: [other], local: [], hasAny: true });
  expect(selectEndpoints([own, other], 'IPv4', BOTH, NODE)).toEqual({ cluster: [own], local: [own], hasAny: true });
});

test('the other family does not count', () => {
  const endpoints = [an(READY, { family: 'IPv6', address: 'fd00::1' })];
  expect(selectEndpoints(endpoints, 'IPv4', BOTH, NODE)).toEqual({ cluster: [], local: [], hasAny: false });
});

function expectSelection({ endpoints, cluster, local, hasAny = true, use = BOTH, zone = 'z1' }: Case): void {
  const node = { name: 'n1', addresses: [], ...(zone === null ? {} : { zone }) };
  expect(selectEndpoints(endpoints, 'IPv4', use, node)).toEqual({
    cluster: cluster.map((index) => endpoints[index]),
    local: local.map((index) => endpoints[index]),
    hasAny,
  });
}
