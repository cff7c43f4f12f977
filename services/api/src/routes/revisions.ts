import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listSchema, type Revision, revisionDetailSchema, revisionSchema, SignalboxError } from '@signalbox/contracts';
import { listRevisions, revisionAt, type Store, stateRevision } from '@signalbox/store';
import { answers } from '../answers.ts';
import { describeProgress } from '../convergence.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { revisionDetailExample, revisionExample } from '../examples.ts';
import { readListQuery } from '../list.ts';
import { readPage } from '../page.ts';
import { listQuery, revisionParameter } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { requireCaughtUp } from '../state.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/revisions',
  tags: ['Revisions'],
  summary: 'What changed, newest first',
  description:
    'All that is in the log, derived or not: `revision` is that of the newest change. `?revision=` lists from there back.',
  request: { query: listQuery },
  responses: answers(listSchema(revisionSchema), 'One page of revisions', {
    items: [revisionExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/revisions/{revision}',
  tags: ['Revisions'],
  summary: 'What changed at one revision, which layers have derived it, and which consumers have applied it',
  request: { params: z.object({ revision: revisionParameter.openapi({ param: { description: 'The revision.' } }) }) },
  responses: answers(revisionDetailSchema, 'The revision', revisionDetailExample),
});

export function addRevisionRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(listRoute, (c) => {
    const { limit, start, requested, filterText } = readListQuery(c.req.valid('query'), []);
    const { head } = stateRevision(store);
    if (requested !== undefined) requireInLog(store, requested);
    const revision = requested ?? head;
    answeredAt(c, revision);
    const source = {
      rowsAfter: (place: readonly string[] | undefined, count: number) =>
        listRevisions(store, { upTo: Math.min(revision, Number(place?.[0] ?? revision + 1) - 1), limit: count }),
      placeOf: (row: Revision) => [String(row.revision)],
      itemsOf: (row: Revision) => [row],
    };
    return c.json(readPage(source, { revision, filters: filterText, limit, start }), 200);
  });

  app.openapi(oneRoute, (c) => {
    const { revision } = c.req.valid('param');
    requireCaughtUp(api);
    requireInLog(store, revision);
    answeredAt(c, stateRevision(store).head);
    const change = revisionAt(store, revision);
    if (change === undefined) throw new SignalboxError('not_found', `nothing known changed at revision ${revision}`);
    return c.json({ ...change, layers: describeProgress(store, { revision }) }, 200);
  });
}

function requireInLog(store: Store, revision: number): void {
  const { head, horizon } = stateRevision(store);
  if (revision > head) {
    throw new SignalboxError('invalid', `revision: ${revision} is not in the log yet, the newest one is ${head}`);
  }
  if (revision < horizon) {
    throw new SignalboxError('expired', `revision: ${revision} is not kept, the oldest one is ${horizon}`);
  }
}
