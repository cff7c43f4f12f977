import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  type DriftReport,
  listSchema,
  type NodeDrift,
  type NodeDriftSummary,
  nodeDriftSchema,
  nodeDriftSummarySchema,
  SignalboxError,
} from '@signalbox/contracts';
import { driftReport, listDriftReports, stateRevision } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { driftExample, driftSummaryExample } from '../examples.ts';
import { answerList, toPlace } from '../list.ts';
import { clusterParameter, listQuery, nameParameter } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/drift',
  tags: ['Nodes'],
  summary: 'How far the kernel of each node is from what was programmed, by cluster and node',
  description: 'Reports are those of now, at any revision; nodes that have reported nothing are not listed.',
  request: { query: listQuery.extend({ cluster: clusterParameter.optional() }) },
  responses: answers(listSchema(nodeDriftSummarySchema), 'One page of nodes', {
    items: [driftSummaryExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/nodes/{node}/drift',
  tags: ['Nodes'],
  summary: 'What the kernel of one node does that it should not, and what it lacks',
  request: { params: z.object({ cluster: clusterParameter, node: nameParameter }) },
  responses: answers(nodeDriftSchema, 'What the last check found', driftExample),
});

export function addDriftRoutes(app: OpenAPIHono, { store }: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    const { cluster } = query;
    return c.json(
      answerList({ c, store, query }, [cluster], () => ({
        rowsAfter: (place, limit) => {
          const last = toPlace(place);
          const after = last && { cluster: last.cluster, node: last.name };
          return listDriftReports(store, { cluster, after, limit });
        },
        placeOf: (report: DriftReport) => [report.cluster, '', report.node],
        itemsOf: (report: DriftReport) => [summaryOf(report)],
      })),
      200,
    );
  });

  app.openapi(oneRoute, (c) => {
    const { cluster, node } = c.req.valid('param');
    const report = driftReport(store, cluster, node);
    if (report === undefined) {
      throw new SignalboxError('not_found', `no node ${node} of the cluster ${cluster} has reported on its kernel`);
    }
    answeredAt(c, stateRevision(store).revision ?? 0);
    return c.json(describe(report), 200);
  });
}

function describe({ checkedAtMs, ...report }: DriftReport): NodeDrift {
  return { ...report, checkedAt: new Date(checkedAtMs).toISOString() };
}

function summaryOf(report: DriftReport): NodeDriftSummary {
  const { differences: _differences, ...summary } = describe(report);
  return summary;
}
