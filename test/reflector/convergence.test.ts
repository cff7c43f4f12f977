/**
 * The property behind all of it: whatever happens to objects and connections, once things are quiet the sink holds what
 * a fresh list gives.
 */
import type { SourceKind } from '@signalbox/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApiObject, ApiServer, Fault } from '../harness/api-server/api-server.ts';
import { type MemorySink, startServer, startSource, stateOf, waitFor, waitForSync } from './harness.ts';
import { aService, aSlice } from './objects.ts';

const KINDS = ['Service', 'EndpointSlice'] as const satisfies SourceKind[];

type Step =
  | {
      readonly type: 'put' | 'put-unreadable' | 'delete';
      readonly kind: SourceKind;
      readonly name: string;
      readonly value: number;
    }
  | { readonly type: 'compact' | 'cut' | 'bookmark' | 'noise' | 'settle'; readonly kind: SourceKind }
  | { readonly type: 'fault'; readonly fault: Fault };

const kind = fc.constantFrom(...KINDS);
const object = { kind, name: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.nat(200) };
const afterBytes = fc.nat(2500);
const requests = { kind, times: fc.integer({ min: 1, max: 3 }) };

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ ...requests, type: fc.constantFrom('cut', 'end'), afterBytes }),
  fc.record({ ...requests, type: fc.constant('stall'), afterBytes, times: fc.constant(1) }),
  fc.record({ ...requests, type: fc.constant('status'), code: fc.constantFrom(401, 403, 404, 410, 429, 500, 503) }),
  fc.record({
    ...requests,
    type: fc.constant('error-event'),
    on: fc.constant('watch'),
    status: fc.constantFrom({ code: 410 }, { code: 500 }),
  }),
  fc.record({ ...requests, type: fc.constant('trickle'), bytes: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ ...requests, type: fc.constant('replay'), on: fc.constant('watch') }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('put'), ...object }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('put-unreadable'), ...object }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete'), ...object }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('compact', 'cut', 'bookmark', 'noise', 'settle'), kind }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('fault'), fault }) },
);

async function take(step: Step, server: ApiServer, sink: MemorySink): Promise<void> {
  switch (step.type) {
    case 'put':
    case 'put-unreadable':
      server.put(anObject(step.kind, step.name, step.value, step.type === 'put'));
      break;
    case 'delete':
      server.delete({ kind: step.kind, namespace: 'shop', name: step.name });
      break;
    case 'compact':
      server.compact();
      break;
    case 'cut':
      server.cutWatches(step.kind);
      break;
    case 'bookmark':
      server.bookmark(step.kind);
      break;
    case 'noise':
      server.send(step.kind, '{"type":"ADDED","obj\n');
      break;
    case 'fault':
      server.fault(step.fault);
      break;
    case 'settle':
      server.clearFaults();
      await waitForSync(server, sink, step.kind);
  }
  // Lets the bytes of some steps go out together and those of others apart.
  await new Promise((resolve) => setImmediate(resolve));
}

/** A bookmark that has arrived means that all before it has: from here on the state must not be other than this. */
async function settle(kind: SourceKind, server: ApiServer, sink: MemorySink): Promise<void> {
  const hasArrived = () => {
    server.bookmark(kind);
    return sink.status(kind)?.state === 'watching' && sink.status(kind)?.resourceVersion === String(server.version());
  };
  await waitFor(hasArrived, `the last bookmark of ${kind}`);
  expect(sink.state(kind)).toEqual(stateOf(server.list(kind)));
}

function anObject(kind: SourceKind, name: string, value: number, isReadable: boolean): ApiObject {
  if (kind === 'Service') return aService(name, { note: `käse ${value} 🚂`, port: isReadable ? 80 + value : 0 });
  const slice = aSlice(name, [`10.0.0.${value}`]);
  return isReadable ? slice : { ...slice, addressType: 'carrier pigeon' };
}

test.for(['served', 'refused'] as const)(
  'any history ends in the state of a fresh list (watch-lists %s)',
  async (watchLists) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const server = await startServer({ watchLists });
        const times = { idleTimeoutMs: 150, healthyAfterMs: 100 };
        const { source, sink } = await startSource(server, { kinds: [...KINDS], pageSize: 2, times });
        for (const step of steps) await take(step, server, sink);
        server.clearFaults();
        server.advanceTo(server.version() + 1);
        for (const kind of KINDS) await settle(kind, server, sink);
        await source.stop();
      }),
      { numRuns: 80 },
    );
  },
);
