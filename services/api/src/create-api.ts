/** The API as a value: it can be asked with `request()`, without a socket. */
import { isIP } from 'node:net';
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import { errorText } from '@signalbox/contracts';
import { stateRevision } from '@signalbox/store';
import type { Context } from 'hono';
import { authentication } from './auth/authenticate.ts';
import { limitBodies, limitRequests } from './auth/limit-requests.ts';
import { metricsLogin } from './auth/metrics-login.ts';
import { ChangeStream } from './change-stream.ts';
import { addConsulRoutes } from './compat/consul.ts';
import { addPrometheusSdRoute } from './compat/prometheus-sd.ts';
import { addTraefikRoute } from './compat/traefik.ts';
import type { ApiDependencies } from './dependencies.ts';
import { describeRevisions } from './describe-revisions.ts';
import { measureRequests } from './metrics.ts';
import { problemOf, problemOfError, problemResponse } from './problem.ts';
import { RevisionGate } from './revision-gate.ts';
import { addAckRoutes } from './routes/acks.ts';
import { addChangeRoute } from './routes/changes.ts';
import { addClusterRoutes } from './routes/clusters.ts';
import { addConvergenceRoute } from './routes/convergence.ts';
import { addDocsRoutes } from './routes/docs.ts';
import { addDriftRoutes } from './routes/drift.ts';
import { addExternalDnsRoutes } from './routes/external-dns.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addIntentRoutes } from './routes/intents.ts';
import { addLoadBalancerRoutes } from './routes/load-balancers.ts';
import { addNodeRoutes } from './routes/nodes.ts';
import { addPodViewRoutes } from './routes/pod-view.ts';
import { addRegistrationRoutes } from './routes/registrations.ts';
import { addRevisionRoutes } from './routes/revisions.ts';
import { addServiceRoutes } from './routes/services.ts';
import { addTargetGroupEventRoute } from './routes/target-group-events.ts';
import { addTargetGroupReportRoutes } from './routes/target-group-reports.ts';
import { addTargetGroupRoutes } from './routes/target-groups.ts';
import { addTokenRoutes } from './routes/tokens.ts';
import { addWithdrawnRecordRoutes } from './routes/withdrawn-records.ts';
import { addZoneRoutes } from './routes/zones.ts';
import { TargetGroupWatch } from './target-group-watch.ts';
import { WithdrawnRecords } from './withdrawn-records.ts';

const MAX_URL_LENGTH = 4_096;

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'Signalbox',
    version: '0.1.0',
    description:
      'Proxy rules, DNS zones and load-balancer registrations of many clusters, derived together under one revision.',
  },
};

export interface Api {
  readonly app: OpenAPIHono;
  readonly withdrawn: WithdrawnRecords;
  /** Clients that follow the changes now. */
  readonly followers: () => number;
  /** Requests that wait for target groups to change. */
  readonly waiters: () => number;
  /** Requests that wait for a revision. */
  readonly revisionWaiters: () => number;
  /** Ends the streams of changes, and all waiting. Idempotent. */
  close(): void;
}

export function createApi(api: ApiDependencies): Api {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return undefined;
      const errors = result.error.issues.flatMap(parameterErrors);
      const detail = errors.map(({ parameter, message }) => `${parameter}: ${message}`).join('; ');
      return problemResponse(problemOf('invalid', detail, errors));
    },
  });
  const changes = new ChangeStream(api.projector.feed, () => stateRevision(api.store).revision ?? 0);
  app.use(measureRequests(api.registry));
  // Headers come before the handler: set afterwards they make node-server unpack the answer, at a third of the speed.
  app.use(async (c, next) => {
    if (c.req.url.length > MAX_URL_LENGTH) {
      return problemResponse(problemOf('invalid', `the URL is longer than ${MAX_URL_LENGTH} characters`));
    }
    if (api.isLoopback === true && !isLocalHost(new URL(c.req.url).hostname)) {
      const detail =
        'this API listens on loopback only, so it is asked as localhost or by address, not by another name';
      return problemResponse(problemOf('forbidden', detail));
    }
    c.header('x-content-type-options', 'nosniff');
    return await next();
  });
  const login = api.isTokenRequired === true ? authentication(api) : undefined;
  if (login !== undefined) app.use(login.middleware);
  else if (api.metricsToken !== undefined) app.use('/metrics', metricsLogin(api.metricsToken));
  if (api.requestsPerSecond !== undefined) app.use(limitRequests(api, api.requestsPerSecond));
  app.use(limitBodies());
  const gate = new RevisionGate(api);
  app.use(gate.middleware());
  const targetGroups = new TargetGroupWatch(api.store, api.projector.feed);
  const withdrawn = new WithdrawnRecords(api.store);
  addRoutes(app, api, { changes, targetGroups, withdrawn });
  app.notFound(notFound);
  app.onError((error, c) => {
    const problem = problemOfError(error);
    if (problem.code === 'internal') {
      api.logger.error({ err: error, method: c.req.method, path: c.req.path }, 'a request failed');
    } else {
      api.logger.debug({ path: c.req.path, reason: errorText(error) }, 'a request was refused');
    }
    return problemResponse(problem);
  });
  return {
    app,
    withdrawn,
    followers: () => changes.clients,
    waiters: () => targetGroups.waiters,
    revisionWaiters: () => gate.waiters,
    close: () => {
      gate.close();
      changes.close();
      targetGroups.close();
      login?.close();
    },
  };
}

type Issue = z.core.$ZodIssue;

function parameterErrors(issue: Issue): { parameter: string; message: string }[] {
  if (issue.code !== 'unrecognized_keys') return [{ parameter: issue.path.join('.'), message: issue.message }];
  return issue.keys.map((parameter) => ({ parameter, message: 'there is no such parameter here' }));
}

/**
 * A page of another site can make a browser ask a loopback address under a name of its own (DNS rebinding); the Host
 * header then still has that name.
 */
function isLocalHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
}

interface Watches {
  readonly changes: ChangeStream;
  readonly targetGroups: TargetGroupWatch;
  readonly withdrawn: WithdrawnRecords;
}

function addRoutes(app: OpenAPIHono, api: ApiDependencies, { changes, targetGroups, withdrawn }: Watches): void {
  addClusterRoutes(app, api);
  addServiceRoutes(app, api);
  addNodeRoutes(app, api);
  addDriftRoutes(app, api);
  addZoneRoutes(app, api);
  addWithdrawnRecordRoutes(app, api, withdrawn);
  addPodViewRoutes(app, api);
  addIntentRoutes(app, api);
  if (api.hasExternalDns === true) addExternalDnsRoutes(app, api);
  addRegistrationRoutes(app, api);
  addLoadBalancerRoutes(app, api);
  addTargetGroupEventRoute(app, api, targetGroups);
  addTargetGroupRoutes(app, api, targetGroups);
  addTargetGroupReportRoutes(app, api);
  addConsulRoutes(app, api, targetGroups);
  addPrometheusSdRoute(app, api);
  addTraefikRoute(app, api);
  addTokenRoutes(app, api);
  addRevisionRoutes(app, api);
  addAckRoutes(app, api);
  addConvergenceRoute(app, api);
  addChangeRoute(app, changes);
  addHealthRoutes(app, api);
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  app.get('/openapi.json', (c) => {
    return c.json(describeRevisions(app.getOpenAPI31Document({ ...DOCUMENT, security: [{ token: [] }] })));
  });
  addDocsRoutes(app);
}

function notFound(c: Context): Response {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
    const problem = problemOf('invalid', `${c.req.method} is not allowed here; /docs lists what can be written`);
    return problemResponse({ ...problem, status: 405 }, { allow: 'GET, HEAD' });
  }
  return problemResponse(problemOf('not_found', `there is nothing at ${c.req.path}; /docs lists what there is`));
}
